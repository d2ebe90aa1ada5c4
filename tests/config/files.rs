//! Configurations for tests: a folder that goes away by itself, and a minimal file to vary.

use std::fs;
use std::path::{Path, PathBuf};

use rtms_gateway::config::{self, Loaded, Mistake, Mistakes};
use tempfile::TempDir;

/// The least that is a configuration, by section.
const MINIMAL: [(&str, &str); 3] = [
    ("listeners", "[ { address: 127.0.0.1:8080 } ]"),
    ("apps", "{ source: mongodb }"),
    ("upstreams", "{ rtms: { peers: [ { address: 127.0.0.1:9090 } ] } }"),
];

/// The minimal configuration with some sections in their place, or beside them. An empty one is taken out.
pub fn config(sections: &[(&str, &str)]) -> String {
    let kept = MINIMAL.iter().filter(|(name, _)| sections.iter().all(|(n, _)| n != name));
    let all = kept.chain(sections).filter(|(_, value)| !value.is_empty());
    all.map(|(name, value)| format!("{name}: {value}\n")).collect::<Vec<_>>().concat()
}

/// A folder with configuration files.
pub struct Folder(TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, contents).unwrap();
        path
    }

    /// Loads a configuration that is written to this folder.
    pub fn load(&self, yaml: &str) -> Result<Loaded, Mistakes> {
        config::load(&self.write("gateway.yaml", yaml), &no_env)
    }

    /// Every mistake as `path: problem`.
    pub fn mistakes(&self, yaml: &str) -> Vec<String> {
        self.load(yaml).err().iter().flatten().map(line).collect()
    }
}

/// No variable is set.
pub fn no_env(_: &str) -> Option<String> {
    None
}

/// Every mistake of a configuration as `path: problem`.
pub fn mistakes(yaml: &str) -> Vec<String> {
    Folder::new().mistakes(yaml)
}

/// One section in the place of the minimal configuration's, and the lines it must give.
pub type Case = (&'static str, &'static str, &'static [&'static str]);

/// Holds every case against its lines.
pub fn run(cases: &[Case]) {
    for (section, value, expected) in cases {
        assert_eq!(mistakes(&config(&[(section, value)])), *expected, "{section}: {value}");
    }
}

/// `path: problem`.
pub fn line(mistake: &Mistake) -> String {
    if mistake.path.is_empty() { mistake.problem.clone() } else { format!("{}: {}", mistake.path, mistake.problem) }
}

/// A file of this repository.
pub fn repository(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}
