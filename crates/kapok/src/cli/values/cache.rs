//! `--cache-from` and `--cache-to`: where results of steps are shared.

use std::path::PathBuf;
use std::str::FromStr;

use super::{FormError, boolean, fields, form};

/// A place that has results of steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CachePlace {
    /// A name in a registry.
    Registry(String),
    /// A directory, an OCI layout.
    Local(PathBuf),
}

/// `type=registry,ref=NAME`, `type=local,src=DIRECTORY`, or a name alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheFrom(pub CachePlace);

/// `type=registry,ref=NAME[,mode=min|max]`, `type=local,dest=DIRECTORY`, or a name alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheTo {
    /// Where.
    pub place: CachePlace,
    /// How much.
    pub mode: CacheMode,
    /// Whether a failure to write it is no failure of the build, if that was said.
    pub ignore_error: Option<bool>,
}

/// Which results go to a shared cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CacheMode {
    /// Those whose layers the image has.
    #[default]
    Min,
    /// Those of all stages.
    Max,
}

impl FromStr for CacheFrom {
    type Err = FormError;

    fn from_str(text: &str) -> Result<CacheFrom, FormError> {
        let words = Words::parse(text, "src")?;
        words.rest(&[])?;
        Ok(CacheFrom(words.place()?))
    }
}

impl FromStr for CacheTo {
    type Err = FormError;

    fn from_str(text: &str) -> Result<CacheTo, FormError> {
        let words = Words::parse(text, "dest")?;
        let (mut mode, mut ignore_error) = (CacheMode::Min, None);
        for (key, value) in words.rest(&["mode", "ignore-error", "oci-mediatypes", "image-manifest"])? {
            match key.as_str() {
                "mode" => {
                    mode = match value.as_str() {
                        "min" => CacheMode::Min,
                        "max" => CacheMode::Max,
                        other => return Err(form(format!("`mode` is `min` or `max`, not `{other}`"))),
                    }
                }
                "ignore-error" => ignore_error = Some(boolean("ignore-error", value)?),
                // It is an OCI manifest in every case.
                other => drop(boolean(other, value)?),
            }
        }
        Ok(CacheTo { place: words.place()?, mode, ignore_error })
    }
}

/// What a flag says, by key.
struct Words {
    kind: String,
    /// What a directory is called in this flag.
    directory: &'static str,
    fields: Vec<(String, String)>,
}

impl Words {
    fn parse(text: &str, directory: &'static str) -> Result<Words, FormError> {
        if text.is_empty() {
            return Err(form("expected `type=registry,ref=NAME`, or the name of an image"));
        }
        if !text.contains('=') {
            let fields = vec![("ref".to_owned(), text.to_owned())];
            return Ok(Words { kind: "registry".to_owned(), directory, fields });
        }
        let mut fields = fields(text)?;
        let kind = fields.iter().position(|(key, _)| key == "type").map(|at| fields.remove(at).1);
        let kind = kind.ok_or_else(|| form("a cache needs a type: `type=registry,ref=NAME`"))?;
        match kind.as_str() {
            "registry" | "local" => Ok(Words { kind, directory, fields }),
            "inline" => {
                Err(form("an image carries no records; share them beside it with `type=registry,ref=NAME`"))
            }
            other => Err(form(format!("unknown cache type `{other}`; it is `registry` or `local`"))),
        }
    }

    fn value(&self, wanted: &str) -> Option<&str> {
        self.fields.iter().find(|(key, _)| key == wanted).map(|(_, value)| value.as_str())
    }

    fn place(&self) -> Result<CachePlace, FormError> {
        let name = if self.kind == "registry" { "ref" } else { self.directory };
        match (self.kind.as_str(), self.value(name).filter(|value| !value.is_empty())) {
            ("registry", Some(reference)) => Ok(CachePlace::Registry(reference.to_owned())),
            (_, Some(directory)) => Ok(CachePlace::Local(directory.into())),
            (kind, None) => Err(form(format!("`type={kind}` needs `{name}`"))),
        }
    }

    /// The fields beside the place; those that are not known are refused.
    fn rest(&self, known: &[&str]) -> Result<Vec<&(String, String)>, FormError> {
        let place = if self.kind == "registry" { "ref" } else { self.directory };
        let rest: Vec<&(String, String)> = self.fields.iter().filter(|(key, _)| key != place).collect();
        match rest.iter().find(|(key, _)| !known.contains(&key.as_str())) {
            None => Ok(rest),
            Some((key, _)) => {
                let mut all = vec!["type", place];
                all.extend(known);
                Err(form(format!("unknown key `{key}`; there are `{}`", all.join("`, `"))))
            }
        }
    }
}
