//! The keys of `kapok.yaml`: one table for the loader, the JSON schema and the reference. Those with lists and mappings as
//! values are in [`super::tree`].

use std::path::PathBuf;

use super::Settings;
use super::tree::TREES;
use crate::cli::build::CompressionFlag;
use crate::cli::values::{Cpus, Size};

/// A key with a single value. With those of [`TREES`] there are no others: a key that nobody reads is an error.
pub struct Key {
    /// Its path, with dots.
    pub path: &'static str,
    /// The form of its value.
    pub kind: Kind,
    /// Where it may stand.
    pub places: Places,
    /// What it does, in one sentence for schema and reference.
    pub meaning: &'static str,
    /// Takes the value over; the error says what the form is.
    pub set: fn(&mut Settings, &str) -> Result<(), String>,
}

/// The form of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Boolean,
    /// A whole number from 1.
    Count,
    /// A number of processors.
    Cpus,
    /// A size such as `2g`.
    Size,
    /// An absolute path.
    Path,
    /// One of these words.
    Choice(&'static [&'static str]),
}

/// Where a key may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Places {
    /// In every `kapok.yaml`.
    All,
    /// Only in the machine's and the user's: a project must not be able to change it for those who build it.
    MachineAndUser,
}

/// All keys with a single value, sorted by path.
pub const KEYS: &[Key] = &[
    Key {
        path: "build.compression",
        kind: Kind::Choice(&["gzip", "zstd", "none"]),
        places: Places::All,
        meaning: "how layers are compressed; default `gzip`, which every tool reads",
        set: |settings, text| {
            settings.compression = Some(match text {
                "gzip" => CompressionFlag::Gzip,
                "zstd" => CompressionFlag::Zstd,
                "none" => CompressionFlag::None,
                _ => return Err("expected `gzip`, `zstd` or `none`".into()),
            });
            Ok(())
        },
    },
    Key {
        path: "build.jobs",
        kind: Kind::Count,
        places: Places::MachineAndUser,
        meaning: "how many steps run at once; default the number of processors",
        set: |settings, text| {
            let jobs = text.parse().ok().filter(|jobs| *jobs > 0);
            settings.jobs = Some(jobs.ok_or("expected a number from 1 to 65535")?);
            Ok(())
        },
    },
    Key {
        path: "gc.keep-storage",
        kind: Kind::Size,
        places: Places::MachineAndUser,
        meaning: "how much of results of steps, downloads and caches `kapok gc` keeps; default `20g`",
        set: |settings, text| {
            settings.keep_storage = Some(text.parse::<Size>().map_err(|error| error.to_string())?);
            Ok(())
        },
    },
    Key {
        path: "limits.cpus",
        kind: Kind::Cpus,
        places: Places::All,
        meaning: "processors that each step may use; `--cpus` wins",
        set: |settings, text| {
            settings.limits.cpus = Some(text.parse::<Cpus>().map_err(|error| error.to_string())?);
            Ok(())
        },
    },
    Key {
        path: "limits.memory",
        kind: Kind::Size,
        places: Places::All,
        meaning: "memory that each step may use; `--memory` wins",
        set: |settings, text| {
            settings.limits.memory = Some(text.parse::<Size>().map_err(|error| error.to_string())?);
            Ok(())
        },
    },
    Key {
        path: "limits.pids",
        kind: Kind::Count,
        places: Places::All,
        meaning: "processes and threads that each step may have at once; `--pids` wins",
        set: |settings, text| {
            let pids = text.parse().ok().filter(|pids| *pids > 0);
            settings.limits.pids = Some(pids.ok_or("expected a number from 1")?);
            Ok(())
        },
    },
    Key {
        path: "network.host",
        kind: Kind::Boolean,
        places: Places::MachineAndUser,
        meaning: "allow `RUN --network=host` and `kapok build --network host`; default `false`",
        set: |settings, text| {
            settings.host_network = boolean(text)?;
            Ok(())
        },
    },
    Key {
        path: "security.insecure",
        kind: Kind::Boolean,
        places: Places::MachineAndUser,
        meaning: "allow `RUN --security=insecure`; default `false`",
        set: |settings, text| {
            settings.insecure = boolean(text)?;
            Ok(())
        },
    },
    Key {
        path: "short-names",
        kind: Kind::Choice(&["docker.io", "deny"]),
        places: Places::All,
        meaning: "what a name without a registry means: an image of `docker.io`, as Docker has it (default), or an error",
        set: |settings, text| {
            settings.deny_short_names = match text {
                "docker.io" => false,
                "deny" => true,
                _ => return Err("expected `docker.io` or `deny`".into()),
            };
            Ok(())
        },
    },
    Key {
        path: "store",
        kind: Kind::Path,
        places: Places::MachineAndUser,
        meaning: "the store's directory; `KAPOK_HOME` wins",
        set: |settings, text| {
            let path = PathBuf::from(text);
            if !path.is_absolute() {
                return Err("expected an absolute path".into());
            }
            settings.store = Some(path);
            Ok(())
        },
    },
];

fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("expected `true` or `false`".into()),
    }
}

/// The reference's section on settings.
pub fn markdown() -> String {
    let mut page = String::from(
        "## Settings\n\n`kapok.yaml` is read from `/etc/kapok`, from `kapok` in the user's configuration directory, and \
         from the build context's directory or the nearest one above it; the later wins, key by key. The JSON schema is \
         [kapok.schema.json](kapok.schema.json).\n\n| key | | where |\n|---|---|---|\n",
    );
    let single = KEYS.iter().map(|key| (key.path, key.places, key.meaning));
    let mut all: Vec<_> =
        single.chain(TREES.iter().map(|tree| (tree.path, tree.places, tree.meaning))).collect();
    all.sort_by_key(|(path, ..)| *path);
    for (path, places, meaning) in all {
        let places = match places {
            Places::All => "everywhere",
            Places::MachineAndUser => "machine, user",
        };
        page += &format!("| `{path}` | {meaning} | {places} |\n");
    }
    page
}
