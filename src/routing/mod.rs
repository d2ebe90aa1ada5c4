//! Which route a path belongs to: path templates, the table that finds the most specific one, and what a lenient server
//! would read in a path.

pub mod captures;
pub mod lenient;
pub mod methods;
pub mod table;
pub mod template;

pub use captures::Captures;
pub use methods::MethodSet;
pub use table::{Conflict, Found, RouteTable};
pub use template::{Segment, Template, TemplateError};
