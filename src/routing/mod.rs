//! Which route a path belongs to: path templates, the table that finds the most specific one, and what a lenient server
//! would read in a path.

pub mod lenient;
pub mod methods;
pub mod table;
pub mod template;

pub use methods::MethodSet;
pub use table::{Captures, Conflict, Found, RouteTable};
pub use template::{Segment, Template, TemplateError};
