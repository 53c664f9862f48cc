//! Settings: `kapok.yaml` of the machine, of the user and of the project, merged key by key.

pub mod check;
pub mod gate;
pub mod images;
pub mod keys;
mod load;
pub mod network;
pub mod packages;
pub mod registries;
pub mod schema;
pub mod tree;

use std::path::PathBuf;

use dockerfile::{Diagnostic, Source};
use registry::client::config::RegistryConfig;
use registry::gateway::PackageRepository;
use registry::gateway::gate::Rules;

use crate::cli::build::CompressionFlag;
use crate::cli::limits::LimitFlags;
use crate::cli::values::Size;

pub use load::load;

/// What the three files say together; `None` where none says anything.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The store's directory.
    pub store: Option<PathBuf>,
    /// Limits of every step.
    pub limits: LimitFlags,
    /// How layers are compressed.
    pub compression: Option<CompressionFlag>,
    /// How many steps run at once.
    pub jobs: Option<u16>,
    /// The size down to which `kapok gc` frees space.
    pub keep_storage: Option<Size>,
    /// Whether a step may ask for this machine's network.
    pub host_network: bool,
    /// Whether a step may ask for `--security=insecure`.
    pub insecure: bool,
    /// What a RUN may fetch, at no particular time: see [`Settings::rules`].
    pub gate: Rules,
    /// What the gateway is told of the world.
    pub network: network::NetworkSettings,
    /// What `kapok serve --packages` serves.
    pub packages: Vec<PackageRepository>,
    /// The standards that `kapok check` judges by.
    pub check: check::CheckSettings,
    /// Registries that are not as their names say.
    pub registries: Vec<RegistryConfig>,
    /// Whether names without a registry are refused, instead of being Docker Hub's.
    pub deny_short_names: bool,
}

impl Settings {
    /// The gate, for what is judged now.
    pub fn rules(&self, now: i64) -> Rules {
        Rules { now, ..self.gate.clone() }
    }

    /// Limits of the command line over those of the settings.
    pub fn limits_with(&self, flags: &LimitFlags) -> LimitFlags {
        LimitFlags {
            cpus: flags.cpus.or(self.limits.cpus),
            memory: flags.memory.or(self.limits.memory),
            pids: flags.pids.or(self.limits.pids),
        }
    }
}

/// Why settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A file is there and cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file says something that it may not say; all of it at once.
    #[error("`{}` has errors", source_text.name)]
    Content {
        /// The file and its text, to show the places.
        source_text: Source,
        /// What is wrong, and where.
        diagnostics: Vec<Diagnostic>,
    },
}
