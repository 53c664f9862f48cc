//! Users and groups by name, as an image's `/etc/passwd` and `/etc/group` have them.

/// Who a process is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Further groups.
    pub groups: Vec<u32>,
    /// The home directory; `/` where none is known.
    pub home: String,
}

/// A user or group that the image does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UserError {
    /// No such user.
    #[error("there is no user `{0}` in the image's /etc/passwd")]
    NoUser(String),
    /// No such group.
    #[error("there is no group `{0}` in the image's /etc/group")]
    NoGroup(String),
    /// A number that is no id.
    #[error("`{0}` is not a user or group id: ids are at most 2147483647")]
    Range(String),
}

/// The largest id that Docker accepts.
const LARGEST_ID: u32 = i32::MAX as u32;

/// Whom a USER means: `name`, `uid`, `name:group`, `uid:gid`; empty means root. The files may be empty. A number need
/// not be known. Further groups are those that list the user, unless a group is given.
pub fn identity(spec: &str, passwd: &[u8], group: &[u8]) -> Result<Identity, UserError> {
    let (user, wanted_group) = spec.split_once(':').map_or((spec, ""), |(user, group)| (user, group));
    let user = if user.is_empty() { "0" } else { user };
    let number = id(user)?;
    let known = users(passwd).find(|known| Some(known.uid) == number || known.name == user.as_bytes());
    let (uid, gid, home) = match (&known, number) {
        (Some(known), _) => (known.uid, known.gid, String::from_utf8_lossy(known.home).into_owned()),
        (None, Some(number)) => (number, 0, "/".to_owned()),
        (None, None) => return Err(UserError::NoUser(user.to_owned())),
    };
    let home = if home.is_empty() { "/".to_owned() } else { home };
    if wanted_group.is_empty() {
        let name = known.map_or(&b""[..], |known| known.name);
        let member = |group: &Group<'_>| !name.is_empty() && group.has_member(name);
        let more = groups(group).filter(member).map(|group| group.gid).collect();
        return Ok(Identity { uid, gid, groups: more, home });
    }
    let number = id(wanted_group)?;
    let known =
        groups(group).find(|known| Some(known.gid) == number || known.name == wanted_group.as_bytes());
    let gid = known.map(|known| known.gid).or(number);
    let gid = gid.ok_or_else(|| UserError::NoGroup(wanted_group.to_owned()))?;
    Ok(Identity { uid, gid, groups: Vec::new(), home })
}

/// What a `--chown` or the owner of a new directory means.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Owner {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Names that the image does not know. Root has what they should have had.
    pub unknown: Vec<String>,
}

/// Whether an owner has a name in it that only an image can tell the number of.
pub fn needs_lookup(spec: &str) -> bool {
    let (user, group) = spec.split_once(':').map_or((spec, None), |(user, group)| (user, Some(group)));
    plain_id(user).is_none() || group.is_some_and(|group| plain_id(group).is_none())
}

/// Whom a `--chown` means. As BuildKit has it, a user's number is also the group's where no group is given, a name
/// brings its own group along, and a name that is not known means root.
pub fn owner(spec: &str, passwd: &[u8], group: &[u8]) -> Owner {
    let (user, wanted_group) = spec.split_once(':').map_or((spec, None), |(user, group)| (user, Some(group)));
    let mut owner = Owner::default();
    match plain_id(user) {
        Some(number) => (owner.uid, owner.gid) = (number, number),
        None => match users(passwd).find(|known| known.name == user.as_bytes()) {
            Some(known) => (owner.uid, owner.gid) = (known.uid, known.gid),
            None => owner.unknown.extend((!user.is_empty()).then(|| user.to_owned())),
        },
    }
    if let Some(wanted) = wanted_group {
        match plain_id(wanted) {
            Some(number) => owner.gid = number,
            None => match groups(group).find(|known| known.name == wanted.as_bytes()) {
                Some(known) => owner.gid = known.gid,
                None => owner.unknown.extend((!wanted.is_empty()).then(|| wanted.to_owned())),
            },
        }
    }
    owner
}

/// `root` and numbers are known without looking.
fn plain_id(text: &str) -> Option<u32> {
    if text == "root" { Some(0) } else { text.parse::<u32>().ok().filter(|number| *number <= LARGEST_ID) }
}

/// A number; nothing for a name.
fn id(text: &str) -> Result<Option<u32>, UserError> {
    match text.parse::<i64>() {
        Ok(number) => match u32::try_from(number).ok().filter(|number| *number <= LARGEST_ID) {
            Some(number) => Ok(Some(number)),
            None => Err(UserError::Range(text.to_owned())),
        },
        Err(_) => Ok(None),
    }
}

struct User<'f> {
    name: &'f [u8],
    uid: u32,
    gid: u32,
    home: &'f [u8],
}

struct Group<'f> {
    name: &'f [u8],
    gid: u32,
    members: &'f [u8],
}

impl Group<'_> {
    fn has_member(&self, name: &[u8]) -> bool {
        self.members.split(|byte| *byte == b',').any(|member| member == name)
    }
}

/// The lines of a passwd file: name, password, uid, gid, comment, home, shell. Lines that are none are passed over.
fn users(file: &[u8]) -> impl Iterator<Item = User<'_>> {
    lines(file).filter_map(|line| {
        let fields: Vec<&[u8]> = line.split(|byte| *byte == b':').collect();
        let home = fields.get(5).copied().unwrap_or_default();
        Some(User { name: fields[0], uid: number(fields.get(2)?)?, gid: number(fields.get(3)?)?, home })
    })
}

/// The lines of a group file: name, password, gid, members.
fn groups(file: &[u8]) -> impl Iterator<Item = Group<'_>> {
    lines(file).filter_map(|line| {
        let fields: Vec<&[u8]> = line.split(|byte| *byte == b':').collect();
        let members = fields.get(3).copied().unwrap_or_default();
        Some(Group { name: fields[0], gid: number(fields.get(2)?)?, members })
    })
}

fn lines(file: &[u8]) -> impl Iterator<Item = &[u8]> {
    file.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty())
}

fn number(field: &[u8]) -> Option<u32> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

/// Reads arbitrary bytes as both files, and asks for whom they name.
pub fn fuzz_users(data: &[u8]) {
    for spec in ["", "app", "0", "app:staff", "7:8", ":"] {
        let _ = identity(spec, data, data);
        let _ = owner(spec, data, data);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &[u8] =
        b"root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\nbroken\nlone:x:2000:2000:::\n";
    const GROUP: &[u8] = b"root:x:0:\nstaff:x:50:app,other\nwheel:x:10:root,app\napp:x:1001:\n";

    #[track_caller]
    fn check(spec: &str, expected: Result<(u32, u32, &[u32], &str), UserError>) {
        let found = identity(spec, PASSWD, GROUP);
        let expected = expected.map(|(uid, gid, groups, home)| Identity {
            uid,
            gid,
            groups: groups.to_vec(),
            home: home.to_owned(),
        });
        assert_eq!(found, expected, "{spec}");
    }

    #[test]
    fn users_by_name_and_number() {
        check("", Ok((0, 0, &[10], "/root")));
        check("root", Ok((0, 0, &[10], "/root")));
        check("app", Ok((1000, 1001, &[50, 10], "/home/app")));
        check("1000", Ok((1000, 1001, &[50, 10], "/home/app")));
        check("lone", Ok((2000, 2000, &[], "/")));
        check("4711", Ok((4711, 0, &[], "/")));
    }

    #[test]
    fn a_group_that_is_given_is_the_only_one() {
        check("app:staff", Ok((1000, 50, &[], "/home/app")));
        check("app:7", Ok((1000, 7, &[], "/home/app")));
        check("4711:wheel", Ok((4711, 10, &[], "/")));
        check(":staff", Ok((0, 50, &[], "/root")));
    }

    #[test]
    fn those_that_are_not_there() {
        check("nobody", Err(UserError::NoUser("nobody".to_owned())));
        check("app:nogroup", Err(UserError::NoGroup("nogroup".to_owned())));
        check("-1", Err(UserError::Range("-1".to_owned())));
        check("2147483648", Err(UserError::Range("2147483648".to_owned())));
        assert!(identity("app", b"", b"").is_err());
        assert_eq!(identity("", b"", b"").unwrap().uid, 0);
    }

    #[test]
    fn owners_are_buildkits() {
        let owner = |spec: &str| {
            let owner = owner(spec, PASSWD, GROUP);
            (owner.uid, owner.gid, owner.unknown)
        };
        assert_eq!(owner("app"), (1000, 1001, vec![]));
        assert_eq!(owner("app:staff"), (1000, 50, vec![]));
        assert_eq!(owner("7"), (7, 7, vec![]));
        assert_eq!(owner("1000"), (1000, 1000, vec![]));
        assert_eq!(owner("7:8"), (7, 8, vec![]));
        assert_eq!(owner(":staff"), (0, 50, vec![]));
        assert_eq!(owner("app:"), (1000, 1001, vec![]));
        assert_eq!(owner("nosuch"), (0, 0, vec!["nosuch".to_owned()]));
        assert_eq!(owner("app:nosuch"), (1000, 1001, vec!["nosuch".to_owned()]));
        assert_eq!(
            (needs_lookup("app"), needs_lookup("root:7"), needs_lookup("1:staff")),
            (true, false, true)
        );
    }
}
