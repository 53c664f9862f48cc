//! A lock as text: the same content is always the same text.

use std::fmt;

use crate::time::format_rfc3339;

use super::{Content, Download, ImageLock, Lock, RequestKey, VERSION, word};

const REMARK: &str = "# What the images are made of. `kapok build --lock` writes it, `kapok build --locked` takes nothing else.";

/// Words that begin the lines of downloads, in the order in which these stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Index,
    Package,
    File,
    Answer,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Index => "index",
            Kind::Package => "package",
            Kind::File => "file",
            Kind::Answer => "answer",
        }
    }

    /// The shortest line that says everything.
    pub(super) fn of(key: &RequestKey, download: &Download) -> Kind {
        let plain = key.method == "GET" && download.status == 200 && download.content.is_some();
        match (plain, download.mutable, &download.purl) {
            (true, true, None) => Kind::Index,
            (true, false, Some(_)) => Kind::Package,
            (true, false, None) => Kind::File,
            _ => Kind::Answer,
        }
    }
}

impl fmt::Display for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# kapok.lock {VERSION}\n{REMARK}")?;
        for (name, image) in &self.images {
            writeln!(f, "\nimage {}", word(name))?;
            image.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for ImageLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ((reference, platform), digest) in &self.bases {
            writeln!(f, "base {} {} {digest}", word(reference), word(platform))?;
        }
        for (url, source) in &self.sources {
            write!(f, "add {url} {}", source.content)?;
            if let Some(modified) = source.modified {
                write!(f, " {}", format_rfc3339(modified))?;
            }
            if let Some(name) = &source.name {
                write!(f, " name={}", word(name))?;
            }
            writeln!(f)?;
        }
        for ((repository, asked), commit) in &self.commits {
            writeln!(f, "commit {} {} {}", word(repository), word(asked), word(commit))?;
        }
        let mut downloads: Vec<(Kind, &RequestKey, &Download)> =
            self.downloads.iter().map(|(key, download)| (Kind::of(key, download), key, download)).collect();
        downloads.sort_by_key(|(kind, key, _)| (*kind, *key));
        for (kind, key, download) in downloads {
            write!(f, "{} {}", kind.name(), key.url)?;
            if kind == Kind::Answer {
                write!(f, " {} {}", key.method, download.status)?;
            }
            if let Some(content) = download.content {
                write!(f, " {content}")?;
            }
            if let Some(purl) = &download.purl {
                write!(f, " {purl}")?;
            }
            if kind == Kind::Answer && download.mutable {
                f.write_str(" mutable")?;
            }
            if let Some(variant) = &key.variant {
                write!(f, " for={variant}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.digest, self.size)
    }
}
