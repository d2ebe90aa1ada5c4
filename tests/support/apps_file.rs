//! An apps file, changed the ways people change one.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// The documents of an apps file.
#[derive(Clone, Debug, Default)]
pub struct AppsFile {
    documents: Vec<Value>,
}

/// An app document with a secret.
pub fn app(id: &str, secret: &str) -> Value {
    json!({ "appId": id, "jwt_secretkey": secret })
}

impl AppsFile {
    /// Adds a document.
    pub fn push(&mut self, document: Value) {
        self.documents.push(document);
    }

    /// The file's text: JSON, which is YAML too.
    pub fn text(&self) -> String {
        text(&self.documents)
    }
}

/// The text of an apps file with these documents.
pub fn text(documents: &[Value]) -> String {
    serde_json::to_string_pretty(documents).expect("values of ours")
}

/// Puts a file in the place of another by a rename, as careful editors and deployments do.
pub fn replace(path: &Path, text: &str) {
    let next = sibling(path, "next");
    std::fs::write(&next, text).expect("a directory of ours");
    std::fs::rename(&next, path).expect("a directory of ours");
}

/// Turns `path` into a symbolic link to a new file of this text; a link that stands is swapped in one step.
pub fn swap_link(path: &Path, name: &str, text: &str) {
    let file = sibling(path, name);
    std::fs::write(&file, text).expect("a directory of ours");
    let link = sibling(path, "link");
    std::os::unix::fs::symlink(&file, &link).expect("a directory of ours");
    std::fs::rename(&link, path).expect("a directory of ours");
}

fn sibling(path: &Path, name: &str) -> PathBuf {
    path.with_extension(name)
}
