//! `COPY` and `ADD`.

use super::{Heredoc, Word};

/// `COPY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// The paths to copy, in order.
    pub sources: Vec<Word>,
    /// Files written in the Dockerfile itself. Leading tabs of `<<-` are gone from their content.
    pub inline: Vec<Heredoc>,
    /// Where to.
    pub destination: Word,
    /// `--from`. Does not expand.
    pub from: Option<Word>,
    /// `--chown`.
    pub chown: Option<Word>,
    /// `--chmod`.
    pub chmod: Option<Word>,
    /// `--link`.
    pub link: bool,
    /// `--parents`.
    pub parents: bool,
    /// `--exclude`, each one. BuildKit does not expand them.
    pub exclude: Vec<Word>,
}

/// `ADD`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Add {
    /// Paths, URLs and git references, in order.
    pub sources: Vec<Word>,
    /// Files written in the Dockerfile itself. Leading tabs of `<<-` are gone from their content.
    pub inline: Vec<Heredoc>,
    /// Where to.
    pub destination: Word,
    /// `--chown`.
    pub chown: Option<Word>,
    /// `--chmod`.
    pub chmod: Option<Word>,
    /// `--link`.
    pub link: bool,
    /// `--exclude`, each one. BuildKit does not expand them.
    pub exclude: Vec<Word>,
    /// `--checksum`.
    pub checksum: Option<Word>,
    /// `--keep-git-dir`, if given.
    pub keep_git_dir: Option<bool>,
    /// `--unpack`, if given: nothing means local archives are unpacked and downloads are not.
    pub unpack: Option<bool>,
}
