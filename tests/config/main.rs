//! The configuration, from the file to the normal form: mistakes, defaults, shipped files, the reference, and the
//! `check` command.

mod apps_file;
mod certificates;
mod check;
mod files;
mod mistakes;
mod reference;
mod settings;
mod shipped;
