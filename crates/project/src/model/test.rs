//! What must hold before an image gets a name.

use crate::place::Place;

/// What must hold before an image gets a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Test {
    /// What it is called in messages.
    pub name: String,
    /// What is looked at.
    pub kind: TestKind,
    /// Where it is declared.
    pub place: Place,
}

/// What a test looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TestKind {
    /// A command in the image.
    Command {
        /// What runs.
        run: CommandForm,
        /// The exit code that is right.
        exit: i32,
        /// Texts that the output must hold; `/…/` is a pattern.
        stdout: Vec<String>,
        /// The same of the other output.
        stderr: Vec<String>,
        /// As whom; nothing means the image's user.
        user: Option<String>,
        /// Variables besides the image's.
        env: Vec<(String, String)>,
    },
    /// A file of the image.
    File {
        /// Its path.
        path: String,
        /// Whether it is there.
        exists: bool,
        /// Its permission bits.
        mode: Option<u32>,
        /// Its owner, `uid` or `uid:gid`, by number or name.
        owner: Option<String>,
        /// Texts that it must hold; `/…/` is a pattern.
        contains: Vec<String>,
    },
    /// The image's user.
    User(String),
    /// A variable of the image.
    Env {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
    /// The largest size, in bytes of all layers, uncompressed.
    Size(u64),
    /// OpenShift's `postCommit`: it runs in the finished image as a test.
    PostCommit(CommandForm),
}

/// A command, in the forms that tests and hooks know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandForm {
    /// Text for `/bin/sh -c`, of a hook for `/bin/sh -ic`, with arguments after it.
    Script(String, Vec<String>),
    /// A program in the place of the entrypoint, and its arguments.
    Exec(Vec<String>),
    /// Arguments for the image's own entrypoint.
    Arguments(Vec<String>),
}
