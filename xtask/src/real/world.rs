//! Where the real tests take place: directories with a store of their own, and how the program is run there.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use testkit::fixture::Fixture;
use testkit::image::{self, Image};

use crate::command::{self, Outcome};
use crate::differential::{self, Bases};
use crate::workspace;

/// Longer than any single command of a test takes.
const LIMIT: Duration = Duration::from_secs(300);

/// Why a test did not pass.
#[derive(Debug)]
pub enum Trouble {
    /// It found something wrong.
    Failed(String),
    /// This machine lacks something.
    Skipped(String),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Trouble {
        Trouble::Failed(error.to_string())
    }
}

/// A failure unless the condition holds.
pub fn ensure(holds: bool, report: impl FnOnce() -> String) -> Result<(), Trouble> {
    if holds { Ok(()) } else { Err(Trouble::Failed(report())) }
}

/// What all tests share.
pub struct World {
    directory: tempfile::TempDir,
    bases: Bases,
    debian: OnceLock<Result<PathBuf, String>>,
}

impl World {
    /// Prepares the small base images.
    pub fn new() -> io::Result<World> {
        // Below the system's directory for temporary files: other users must be able to reach it.
        let directory = tempfile::Builder::new().prefix("kapok-real-").tempdir()?;
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755))?;
        fs::copy(workspace::kapok(), directory.path().join("kapok"))?;
        let bases = differential::bases(&directory.path().join("bases"))?;
        Ok(World { directory, bases, debian: OnceLock::new() })
    }

    /// An empty place; the name is only for people who look.
    pub fn place(&self, name: &str) -> io::Result<Place<'_>> {
        let path = self.directory.path().join(name);
        fs::create_dir_all(&path)?;
        Ok(Place { world: self, store: path.join("store"), path })
    }

    /// The program under test.
    pub fn program(&self) -> PathBuf {
        self.directory.path().join("kapok")
    }

    /// A layout directory with Debian's minimal system, assembled once per run.
    pub fn debian(&self) -> Result<PathBuf, Trouble> {
        let layout = self.debian.get_or_init(|| self.assemble_debian().map_err(|error| error.to_string()));
        layout.clone().map_err(Trouble::Failed)
    }

    fn assemble_debian(&self) -> io::Result<PathBuf> {
        let place = self.place("debian")?;
        let layout = place.path.join("layout");
        let base = place.kapok(&["base", "debian", "--suite", "bookworm", "-t", "debian:bookworm"])?;
        if !base.success() {
            return Err(io::Error::other(format!("kapok base debian: {}", base.tail(20))));
        }
        let to = layout.to_string_lossy();
        let save = place.kapok(&["save", "--format", "oci-dir", "-o", &to, "debian:bookworm"])?;
        if !save.success() {
            return Err(io::Error::other(format!("kapok save: {}", save.tail(20))));
        }
        Ok(layout)
    }
}

/// A directory with a store of its own.
pub struct Place<'a> {
    world: &'a World,
    /// The directory.
    pub path: PathBuf,
    /// Its store.
    pub store: PathBuf,
}

impl Place<'_> {
    /// The same place with another store.
    pub fn with_store(&self, store: impl Into<PathBuf>) -> Place<'_> {
        Place { world: self.world, path: self.path.clone(), store: store.into() }
    }

    /// Writes a fixture and returns the build context.
    pub fn context(&self, fixture: &str) -> Result<PathBuf, Trouble> {
        let context = self.path.join("context");
        let fixture = Fixture::parse(fixture).map_err(|error| Trouble::Failed(error.to_string()))?;
        fs::create_dir_all(&context)?;
        fixture.write(&context, &self.path).map_err(|error| Trouble::Failed(error.to_string()))?;
        Ok(context)
    }

    /// The program with this place's store, before its arguments.
    pub fn command(&self) -> Command {
        let mut command = Command::new(self.world.program());
        command
            .env("KAPOK_HOME", &self.store)
            .env_remove("SOURCE_DATE_EPOCH")
            .env("XDG_CONFIG_HOME", self.path.join("settings"));
        command
    }

    /// Runs the program.
    pub fn kapok(&self, words: &[&str]) -> io::Result<Outcome> {
        command::run(self.command().args(words), LIMIT)
    }

    /// A build of a context that brings everything, or is told it.
    pub fn plain_build(&self, context: &Path, flags: &[&str]) -> Command {
        let mut command = self.command();
        command.args(["build", "--progress", "plain"]).args(flags).arg(context);
        command
    }

    /// A build that knows the small bases.
    pub fn build_command(&self, context: &Path, flags: &[&str]) -> Command {
        let mut command = self.command();
        command.args(["build", "--progress", "plain"]);
        for base in &self.world.bases.all {
            let layout = base.layout.display();
            command.args(["--build-context", &format!("{}=oci-layout://{layout}", base.name)]);
        }
        command.args(flags).arg(context);
        command
    }

    /// Builds a fixture.
    pub fn build(&self, fixture: &str, flags: &[&str]) -> Result<Outcome, Trouble> {
        let context = self.context(fixture)?;
        Ok(command::run(&mut self.build_command(&context, flags), LIMIT)?)
    }

    /// Builds a fixture, which must work, and reads the image back.
    pub fn image(&self, fixture: &str, flags: &[&str]) -> Result<Image, Trouble> {
        let to = self.path.join("image.tar");
        let output = format!("type=oci,dest={}", to.display());
        let outcome = self.build(fixture, &[&["--output", output.as_str()], flags].concat())?;
        ensure(outcome.success(), || format!("the build failed:\n{}", outcome.tail(20)))?;
        Ok(image::load_one(&to)?)
    }

    /// Whether the store is sound: `kapok gc --verify` finds nothing.
    pub fn verify(&self) -> Result<(), Trouble> {
        let outcome = self.kapok(&["gc", "--verify"])?;
        ensure(outcome.success(), || {
            format!("kapok gc --verify: exit {}\n{}", outcome.code(), outcome.tail(20))
        })
    }
}

/// Skips a test unless this is root.
pub fn needs_root() -> Result<(), Trouble> {
    let root = rustix::process::geteuid().is_root();
    if root { Ok(()) } else { Err(Trouble::Skipped("only root can arrange it".into())) }
}

/// Skips a test unless these programs are there.
pub fn needs(programs: &[&str]) -> Result<(), Trouble> {
    match programs.iter().find(|program| !command::exists(program)) {
        None => Ok(()),
        Some(program) => Err(Trouble::Skipped(format!("`{program}` is not installed"))),
    }
}

/// An exit code that says whose fault it was, and one that is not Kapok's.
pub fn refused(outcome: &Outcome, code: i32, word: &str) -> Result<(), Trouble> {
    ensure(outcome.code() == code && outcome.stderr.contains(word), || {
        format!("wanted exit {code} and `{word}`, got exit {}:\n{}", outcome.code(), outcome.tail(20))
    })
}
