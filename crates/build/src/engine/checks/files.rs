//! Files of a finished image: whether they are there, whose they are, what they hold.

use std::os::unix::ffi::OsStrExt;

use oci::tree::Kind;

use super::{Pattern, Subject};
use crate::engine::stage::Halt;

/// Of a larger file, the beginning is searched.
const MOST_SEARCHED: u64 = 64 << 20;

impl Subject<'_> {
    /// What is wrong with a file.
    pub(super) fn file(
        &self,
        path: &str,
        exists: bool,
        (mode, owner): (Option<u32>, Option<&str>),
        contains: &[Pattern],
    ) -> Result<Vec<String>, Halt> {
        let snapshot = self.world.snapshot(&self.result.layers)?;
        let resolved = snapshot.view().resolve(path.as_bytes(), true).ok();
        let Some((layer, entry)) = resolved.and_then(|resolved| resolved.found) else {
            return Ok(if exists { vec![format!("there is no `{path}`")] } else { Vec::new() });
        };
        if !exists {
            return Ok(vec![format!("there is `{path}`")]);
        }
        let mut why = Vec::new();
        if let Some(mode) = mode
            && entry.mode & 0o7777 != mode
        {
            why.push(format!("`{path}` has mode {:04o}, not {mode:04o}", entry.mode & 0o7777));
        }
        if let Some(owner) = owner {
            let wanted = snapshot.identity(owner)?;
            let group = owner.contains(':').then_some(wanted.gid);
            if entry.uid != wanted.uid || group.is_some_and(|group| group != entry.gid) {
                why.push(format!("`{path}` belongs to {}:{}, not to `{owner}`", entry.uid, entry.gid));
            }
        }
        if contains.is_empty() {
            return Ok(why);
        }
        if !matches!(entry.kind, Kind::File { .. }) {
            why.push(format!("`{path}` is not a file"));
            return Ok(why);
        }
        let on_disk = snapshot.directories()[layer].join(std::ffi::OsStr::from_bytes(&entry.path));
        let mut bytes = Vec::new();
        let read = std::fs::File::open(&on_disk).and_then(|file| {
            std::io::Read::read_to_end(&mut std::io::Read::take(file, MOST_SEARCHED), &mut bytes)
        });
        if let Err(source) = read {
            return Err(crate::engine::StepError::Io { action: format!("read `{path}`"), source }.into());
        }
        why.extend(Pattern::missing(contains, &bytes, &format!("`{path}`")));
        Ok(why)
    }
}
