//! The argument of `--chmod`: octal, or symbolic as `chmod(1)` has it.
//!
//! The details are those of BSD's `setmode(3)`, which BuildKit follows: there is no file creation mask, and `X` looks at
//! the mode before any clause.

use std::fmt;

const SET_USER_ID: u32 = 0o4000;
const SET_GROUP_ID: u32 = 0o2000;
const STICKY: u32 = 0o1000;
/// All but the sticky bit, which only `t` names.
const STANDARD: u32 = 0o6777;
const EXECUTE: u32 = 0o111;

/// A parsed mode change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// The new permission bits (07777).
    Octal(u32),
    /// Changes such as `u+rwX` asks for, in order.
    Symbolic(Vec<Change>),
}

/// One change of a symbolic mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// These bits are set.
    Set(u32),
    /// These bits are cleared.
    Clear(u32),
    /// These bits are set for directories, and for files that somebody could execute before.
    SetIfExecutable(u32),
    /// The bits of one class are applied to others.
    Copy {
        /// Where the class's three bits are: 6 for the user, 3 for the group, 0 for others.
        from: u32,
        /// The same for each class that they are applied to, as a mask over the permission bits (0777).
        to: u32,
        /// The classes' bits are cleared: all of them before setting, else those that `from` has.
        clear: bool,
        /// The bits are set.
        set: bool,
    },
}

/// A mode that is neither octal nor symbolic.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid mode `{0}`")]
pub struct BadMode(pub String);

impl Mode {
    /// Reads a mode.
    pub fn parse(text: &str) -> Result<Mode, BadMode> {
        let bad = || BadMode(text.to_owned());
        if text.starts_with(|first: char| first.is_ascii_digit()) {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            let bits = u32::from_str_radix(text, 8).ok().filter(|bits| digits && *bits <= 0o7777);
            return bits.map(Mode::Octal).ok_or_else(bad);
        }
        let mut changes = Vec::new();
        for clause in text.split(',') {
            parse_clause(clause, &mut changes).ok_or_else(bad)?;
        }
        Ok(Mode::Symbolic(changes))
    }

    /// The permission bits (07777) that a file or directory with these bits gets.
    pub fn apply(&self, mode: u32, is_dir: bool) -> u32 {
        let changes = match self {
            Mode::Octal(bits) => return *bits,
            Mode::Symbolic(changes) => changes,
        };
        let before = mode & 0o7777;
        changes.iter().fold(before, |now, change| match *change {
            Change::Set(bits) => now | bits,
            Change::Clear(bits) => now & !bits,
            Change::SetIfExecutable(bits) if is_dir || before & EXECUTE != 0 => now | bits,
            Change::SetIfExecutable(_) => now,
            Change::Copy { from, to, clear, set } => {
                let bits = (((now >> from) & 7) * 0o111) & to;
                let kept = match (clear, set) {
                    (true, true) => now & !to,
                    (true, false) => now & !bits,
                    _ => now,
                };
                if set { kept | bits } else { kept }
            }
        })
    }
}

impl fmt::Display for Mode {
    /// In octal; of a symbolic mode its changes, which are the same for modes that mean the same.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mode::Octal(bits) => write!(formatter, "{bits:04o}"),
            Mode::Symbolic(changes) => {
                let changes: Vec<String> = changes.iter().map(Change::to_string).collect();
                formatter.write_str(&changes.join(","))
            }
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Change::Set(bits) => write!(formatter, "+{bits:04o}"),
            Change::Clear(bits) => write!(formatter, "-{bits:04o}"),
            Change::SetIfExecutable(bits) => write!(formatter, "+X{bits:04o}"),
            Change::Copy { from, to, clear, set } => {
                let operator = match (clear, set) {
                    (true, true) => '=',
                    (true, false) => '-',
                    _ => '+',
                };
                write!(formatter, "{operator}{:04o}:{to:04o}", 7 << from)
            }
        }
    }
}

/// Classes, then one or more operators each with its permissions.
fn parse_clause(clause: &str, changes: &mut Vec<Change>) -> Option<()> {
    let classes = clause.find(|next| !matches!(next, 'u' | 'g' | 'o' | 'a'))?;
    let (classes, mut rest) = clause.split_at(classes);
    let mut who = classes.chars().fold(0, |who, class| {
        who | match class {
            'u' => SET_USER_ID | 0o700,
            'g' => SET_GROUP_ID | 0o070,
            'o' => 0o007,
            _ => STANDARD,
        }
    });
    while let Some(operator) = rest.chars().next() {
        if !matches!(operator, '+' | '-' | '=') {
            return None;
        }
        rest = &rest[1..];
        let end = rest.find(['+', '-', '=']).unwrap_or(rest.len());
        who &= !STICKY;
        parse_permissions(&rest[..end], operator, &mut who, changes)?;
        rest = &rest[end..];
    }
    Some(())
}

/// The permissions after an operator. The letters `u`, `g` and `o` copy a class, after what stands before them.
fn parse_permissions(text: &str, operator: char, who: &mut u32, changes: &mut Vec<Change>) -> Option<()> {
    let (mut bits, mut conditional) = (0, 0);
    let mut assigned = false;
    // Without a class, or with more than "others", the special bits count.
    let special = |who: u32| who == 0 || who & !0o007 != 0;
    for letter in text.chars() {
        match letter {
            'r' => bits |= 0o444,
            'w' => bits |= 0o222,
            'x' => bits |= EXECUTE,
            'X' if operator == '-' => bits |= EXECUTE,
            'X' => conditional = EXECUTE,
            's' if special(*who) => bits |= SET_USER_ID | SET_GROUP_ID,
            't' if special(*who) => {
                *who |= STICKY;
                bits |= STICKY;
            }
            's' | 't' => {}
            'u' | 'g' | 'o' => {
                if bits != 0 {
                    push(operator, *who, bits, changes);
                    bits = 0;
                }
                assigned = true;
                if conditional != 0 {
                    changes.push(Change::SetIfExecutable(within(*who, conditional)));
                    conditional = 0;
                }
                changes.push(copy(letter, operator, *who));
            }
            _ => return None,
        }
    }
    if bits != 0 || (operator == '=' && !assigned) {
        push(operator, *who, bits, changes);
    }
    if conditional != 0 {
        changes.push(Change::SetIfExecutable(within(*who, conditional)));
    }
    Some(())
}

/// The bits of the classes; all of them where no class is named.
fn within(who: u32, bits: u32) -> u32 {
    if who == 0 { bits } else { who & bits }
}

fn push(operator: char, who: u32, bits: u32, changes: &mut Vec<Change>) {
    match operator {
        '-' => changes.push(Change::Clear(within(who, bits))),
        '+' => changes.push(Change::Set(within(who, bits))),
        _ => {
            changes.push(Change::Clear(if who == 0 { STANDARD } else { who }));
            changes.push(Change::Set(within(who, bits)));
        }
    }
}

fn copy(letter: char, operator: char, who: u32) -> Change {
    let from = match letter {
        'u' => 6,
        'g' => 3,
        _ => 0,
    };
    let to = if who == 0 { 0o777 } else { who & 0o777 };
    Change::Copy { from, to, clear: operator != '+', set: operator != '-' }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, cases: &[(u32, bool, u32)]) {
        let mode = Mode::parse(text).unwrap_or_else(|error| panic!("{error}"));
        for (before, is_dir, expected) in cases {
            let found = mode.apply(*before, *is_dir);
            assert_eq!(found, *expected, "{text} on {before:o}: {found:o}, not {expected:o}");
        }
    }

    #[test]
    fn octal_modes_replace() {
        check("0", &[(0o777, false, 0)]);
        check("644", &[(0, false, 0o644), (0o7777, true, 0o644)]);
        check("0755", &[(0o600, false, 0o755)]);
        check("4711", &[(0, false, 0o4711)]);
        check("07777", &[(0, true, 0o7777)]);
    }

    #[test]
    fn symbolic_modes_change() {
        check("u+x", &[(0o644, false, 0o744), (0o744, false, 0o744)]);
        check("+x", &[(0o644, false, 0o755)]);
        check("a+x", &[(0o644, false, 0o755)]);
        check("go-w", &[(0o666, false, 0o644)]);
        check("o=", &[(0o777, false, 0o770)]);
        check("=r", &[(0o777, false, 0o444)]);
        check("u=rwx,go=rx", &[(0, false, 0o755)]);
        check("ug=rw,o=r", &[(0o777, false, 0o664)]);
        check("u+rw-x", &[(0o100, false, 0o600)]);
        check("u=rw,u+x", &[(0, false, 0o700)]);
        check("a=,u+r", &[(0o777, false, 0o400)]);
        check("+", &[(0o640, false, 0o640)]);
    }

    #[test]
    fn large_x_is_for_what_can_be_entered_or_run() {
        check("a+X", &[(0o644, false, 0o644), (0o744, false, 0o755), (0o644, true, 0o755)]);
        check("u=rwX,go=rX", &[(0o600, false, 0o644), (0o700, false, 0o755), (0o600, true, 0o755)]);
        check("a-x,a+X", &[(0o755, false, 0o755)]);
        check("a-X", &[(0o755, false, 0o644)]);
    }

    #[test]
    fn classes_are_copied() {
        check("g=u", &[(0o740, false, 0o770)]);
        check("go=u", &[(0o700, false, 0o777)]);
        check("o=g", &[(0o754, false, 0o755)]);
        check("g+u", &[(0o640, false, 0o660)]);
        check("o-u", &[(0o617, false, 0o611)]);
        check("g=u-w", &[(0o700, false, 0o750)]);
    }

    #[test]
    fn special_bits() {
        check("u+s", &[(0o755, false, 0o4755)]);
        check("g+s", &[(0o755, true, 0o2755)]);
        check("+t", &[(0o777, true, 0o1777)]);
        check("o+s", &[(0o755, false, 0o755)]);
        check("o+t", &[(0o755, false, 0o755)]);
        check("u=rwx", &[(0o6755, false, 0o2755)]);
        check("=rx", &[(0o6755, false, 0o555)]);
        check("u-s,g-s", &[(0o6755, false, 0o755)]);
    }

    #[test]
    fn modes_are_shown_as_what_they_do() {
        for (text, shown) in [
            ("755", "0755"),
            ("u+x", "+0100"),
            ("a=rX", "-6777,+0444,+X0111"),
            ("g=u-w", "=0700:0070,-0020"),
            ("u+s,o-g", "+4000,-0070:0007"),
        ] {
            assert_eq!(Mode::parse(text).map(|mode| mode.to_string()), Ok(shown.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_is_no_mode() {
        for text in [
            "", "a", "8", "088", "10000", "0x1", "u", "u+q", "rw", "u+x,", ",u+x", "u +x", "755u", "u=8", "é",
        ] {
            assert_eq!(Mode::parse(text), Err(BadMode(text.to_owned())));
        }
    }
}
