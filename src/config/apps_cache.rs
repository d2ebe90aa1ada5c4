//! `apps.cache`: the last good state of the apps on disk.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::mistakes::Check;
use super::settings;
use super::yaml_path::YamlPath;
use crate::apps::feed::{CacheKey, is_free_for_cache};

/// The last good state of the apps on disk.
#[derive(Clone, Default, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cache {
    /// The file, in a folder that the gateway may write to; one of its own for each gateway. Example:
    /// `/var/lib/rtms-gateway/apps.cache`.
    #[schemars(required)]
    path: Option<String>,
    /// The key it is encrypted with (AES-256-GCM): 32 bytes as base64 or as 64 hex digits. Keep it apart from the file.
    /// Example: `${APPS_CACHE_KEY}`, set to what `openssl rand -base64 32` prints.
    #[schemars(required)]
    key: Option<String>,
}

impl Cache {
    /// The normal form.
    pub(super) fn settle(self, at: &YamlPath, check: &mut Check) -> Option<settings::AppsCache> {
        let (path, key) = (self.path(&at.key("path"), check), self.key(&at.key("key"), check));
        Some(settings::AppsCache { path: path?, key: key? })
    }

    fn path(&self, at: &YamlPath, check: &mut Check) -> Option<PathBuf> {
        let Some(name) = &self.path else {
            check.missing(at, "name a file to write to, as in `apps.cache`");
            return None;
        };
        let path = check.output(at, name);
        if !check.refused(at) && !can_write_beside(&path) {
            let shown = check.show(at, name);
            let problem = "lies in a folder that can't be written to; let the gateway's user write there";
            check.refuse(at, format!("{shown} {problem}"));
        }
        if !check.refused(at) && is_free_for_cache(&path).is_ok_and(|free| !free) {
            let shown = check.show(at, name);
            check.refuse(at, format!("{shown} is no apps cache, and would be lost; name a file of its own"));
        }
        Some(path)
    }

    /// The message never holds a part of it.
    fn key(self, at: &YamlPath, check: &mut Check) -> Option<CacheKey> {
        let Some(text) = self.key.map(Zeroizing::new) else {
            check.missing(at, "give 32 bytes as `openssl rand -base64 32` prints them, in a variable");
            return None;
        };
        let key = CacheKey::parse(&text);
        if key.is_none() {
            check.refuse(at, "is no key; give 32 bytes as `openssl rand -base64 32` prints them");
        }
        key
    }
}

/// Whether files can be made in the folder of `path`: tried, as a mode says little about mounts and capabilities.
fn can_write_beside(path: &Path) -> bool {
    let probe = path.with_file_name(format!(".rtms-gateway-check-{}", std::process::id()));
    let made = File::options().write(true).create_new(true).open(&probe).is_ok();
    if made {
        // One that stays is empty, and in nobody's way.
        let _ = fs::remove_file(&probe);
    }
    made
}
