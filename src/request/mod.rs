//! The request, read before anything is decided: whose connection it comes on, its target, and where it names identities.

pub mod body;
pub mod head;
pub mod identities;
pub mod proxy_header;
pub mod request_id;
pub mod target;
pub mod traceparent;
