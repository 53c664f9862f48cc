//! Kapok's half of the differential suite.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::base::Bases;
use crate::command::{self, Outcome};
use crate::workspace;

/// What an administrator allows on this machine, so that the cases about it can run.
const SETTINGS: &str = "network:\n  host: true\nsecurity:\n  insecure: true\n";

/// Builds a case into an OCI layout tar; all cases share one store, as builds on a real machine do.
pub fn build(
    bases: &Bases,
    directory: &Path,
    flags: &[String],
    to: &Path,
    home: &Path,
) -> io::Result<Outcome> {
    let settings = home.with_extension("settings");
    fs::create_dir_all(settings.join("kapok"))?;
    fs::write(settings.join("kapok/kapok.yaml"), SETTINGS)?;
    let mut command = Command::new(workspace::kapok());
    command.env("KAPOK_HOME", home).env("XDG_CONFIG_HOME", settings).env_remove("SOURCE_DATE_EPOCH");
    command.args(["build", "--progress", "plain"]);
    command.args(["--output", &format!("type=oci,dest={}", to.display())]);
    for base in &bases.all {
        command.args(["--build-context", &format!("{}=oci-layout://{}", base.name, base.layout.display())]);
    }
    let context = directory.join("context");
    let mut words = flags.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            // Here the settings allow it.
            "--allow" => {
                words.next();
            }
            // BuildKit's `-f` is read in the context, ours from where the command runs.
            "-f" | "--file" => {
                let file = words.next().map(|file| context.join(file));
                command.arg("-f").args(file);
            }
            _ => {
                command.arg(word);
            }
        }
    }
    command.arg(&context);
    command::run(&mut command, Duration::from_secs(120))
}
