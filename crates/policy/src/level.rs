//! How bad a finding is, and under which profile.

use std::fmt;
use std::str::FromStr;

/// How bad a finding is. Ordered: an error is more than a warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Worth knowing; perhaps wrong.
    Info,
    /// Probably a mistake or a risk.
    Warning,
    /// Certainly wrong, or against the profile's standards.
    Error,
}

impl Level {
    /// All, from the least.
    pub const ALL: [Level; 3] = [Level::Info, Level::Warning, Level::Error];

    /// The word for it in output and settings.
    pub fn name(self) -> &'static str {
        match self {
            Level::Info => "info",
            Level::Warning => "warning",
            Level::Error => "error",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Level {
    type Err = ();

    fn from_str(text: &str) -> Result<Level, ()> {
        Level::ALL.into_iter().find(|level| level.name() == text).ok_or(())
    }
}

/// A set of levels that an organisation chooses as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Profile {
    /// Only what is certainly wrong is an error: an ordinary Dockerfile that Docker builds is never stopped by taste.
    #[default]
    Default,
    /// What careful teams insist on.
    Strict,
    /// A supply chain of one's own: approved bases, the central repository, built from source, version floors.
    Rainforest,
}

impl Profile {
    /// All, from the mildest.
    pub const ALL: [Profile; 3] = [Profile::Default, Profile::Strict, Profile::Rainforest];

    /// The word for it in settings.
    pub fn name(self) -> &'static str {
        match self {
            Profile::Default => "default",
            Profile::Strict => "strict",
            Profile::Rainforest => "rainforest",
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Profile {
    type Err = ();

    fn from_str(text: &str) -> Result<Profile, ()> {
        Profile::ALL.into_iter().find(|profile| profile.name() == text).ok_or(())
    }
}

/// A rule's level in each profile; nothing means that the rule is not asked there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Levels {
    default: Option<Level>,
    strict: Option<Level>,
    rainforest: Option<Level>,
}

impl Levels {
    /// The same in every profile.
    pub const ERROR: Levels = Levels::of(Some(Level::Error), Some(Level::Error), Some(Level::Error));
    /// A warning; an error for those who are strict.
    pub const WARNING: Levels = Levels::of(Some(Level::Warning), Some(Level::Error), Some(Level::Error));
    /// A warning everywhere: likely, and never certain.
    pub const DOUBT: Levels = Levels::of(Some(Level::Warning), Some(Level::Warning), Some(Level::Warning));
    /// A remark; a warning for those who are strict.
    pub const INFO: Levels = Levels::of(Some(Level::Info), Some(Level::Warning), Some(Level::Warning));
    /// A remark everywhere: taste, or more than one time in five wrong.
    pub const REMARK: Levels = Levels::of(Some(Level::Info), Some(Level::Info), Some(Level::Info));
    /// Asked only by those who are strict: a warning.
    pub const STRICT: Levels = Levels::of(None, Some(Level::Warning), Some(Level::Warning));
    /// A standard of one's own supply chain: an error there, silent elsewhere.
    pub const STANDARD: Levels = Levels::of(None, None, Some(Level::Error));

    /// A level for each profile.
    pub const fn of(default: Option<Level>, strict: Option<Level>, rainforest: Option<Level>) -> Levels {
        Levels { default, strict, rainforest }
    }

    /// The level in a profile.
    pub fn in_profile(self, profile: Profile) -> Option<Level> {
        match profile {
            Profile::Default => self.default,
            Profile::Strict => self.strict,
            Profile::Rainforest => self.rainforest,
        }
    }
}
