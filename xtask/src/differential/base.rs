//! The bases that cases build on, made from Debian's static busybox: the same bytes each time but for that
//! program itself.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use testkit::archive::{Member, member};
use testkit::fixture::NodeKind;
use testkit::image::{self, Image};
use testkit::layout::{Draft, write_layout};

/// Where Debian's package has it, and where it is in the images.
pub const BUSYBOX: &str = "/bin/busybox";

/// The commands that the bases have; busybox of any recent version knows them.
const COMMANDS: &str = "[ awk base64 basename cat chgrp chmod chown cmp cp cut date dd df diff dirname du \
    echo egrep env expr false find getopt grep groups gunzip gzip head hostname id install ip kill link ln ls \
    md5sum mkdir mkfifo mknod mktemp more mount mv nc nproc od paste printenv printf ps pwd readlink realpath \
    rm rmdir sed seq setsid sh sha256sum sleep sort split stat su sync tail tar tee test timeout touch tr true \
    truncate tty umount uname uniq unlink unshare wc wget which whoami xargs yes";

/// The tree of `base`: a line per member, busybox and its links left out.
const TREE: &str = "\
bin/
dev/
etc/
etc/group text=root:x:0:\\ndaemon:x:1:\\nstaff:x:50:app\\napp:x:1000:\\nextra:x:1001:app\\n
etc/passwd text=root:x:0:0:root:/root:/bin/sh\\ndaemon:x:1:1::/:/bin/false\\napp:x:1000:1000:App:/home/app:/bin/sh\\nlone:x:2000:3000::/:/bin/sh\\n
home/
home/app/ owner=1000:1000
home/app/.profile owner=1000:1000 text=#\\sprofile\\n
lib -> usr/lib
proc/
root/ mode=0700
sys/
tmp/ mode=1777
usr/
usr/lib/
usr/lib/os-release text=ID=base\\n
usr/share/
usr/share/doc/
usr/share/doc/a text=a\\n
usr/share/doc/b text=b\\n
var/
var/log/
var/run -> ../run
run/";

/// What `rich` has above `base`: every kind of entry that a layer may hold.
const RICH_TREE: [&str; 2] = [
    "\
data/ mode=2750 owner=1000:50
data/one text=1\\n
data/two text=2\\n
data/deep/
data/deep/er/
data/deep/er/file text=deep\\n
data/setuid mode=4755 text=x
data/capable mode=0755 text=x xattr=security.capability=\\x01\\0\\0\\x02\\0\\x04\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0
data/marked text=x xattr=user.colour=blue
data/pipe type=fifo mode=0600
data/link -> one
data/dangling -> /nowhere
data/absolute -> /data/deep
data/first text=linked\\n
data/second => data/first
data/big size=70000
old/
old/a text=a
old/b text=b
gone/
gone/file text=x",
    "\
data/ mode=2750 owner=1000:50
data/.wh.two text=
data/three text=3\\n
old/
old/.wh..wh..opq text=
old/c text=c
.wh.gone text=",
];

/// A base's name in cases, its layout and what it holds.
#[derive(Debug)]
pub struct Base {
    /// As in `FROM`.
    pub name: &'static str,
    /// The layout's directory.
    pub layout: PathBuf,
    /// What a reference to it means: a manifest or an index.
    pub digest: String,
}

/// All bases, and the image that results are compared against.
#[derive(Debug)]
pub struct Bases {
    /// By name.
    pub all: Vec<Base>,
    /// The image `base`.
    pub plain: Image,
    /// Digests of files that are another on another machine.
    pub names: BTreeMap<String, String>,
}

/// Writes all bases below a directory.
pub fn write(directory: &Path) -> io::Result<Bases> {
    let busybox = fs::read(BUSYBOX)
        .map_err(|error| io::Error::other(format!("`{BUSYBOX}` (Debian's busybox-static): {error}")))?;
    let layer = base_layer(busybox).map_err(io::Error::other)?;
    let mut rich = vec![layer.clone()];
    for text in RICH_TREE {
        rich.push(members(text).map_err(io::Error::other)?);
    }
    let devices =
        members("dev/\ndev/null type=char:1:3 mode=0666\ndev/disk type=block:7:0 mode=0660 owner=0:6")
            .map_err(io::Error::other)?;
    let bare = members("hello text=hello\\n").map_err(io::Error::other)?;
    let of = |layers: &[Vec<Member>], config| Draft { layers: layers.to_vec(), config };
    let plain = [layer.clone()];
    let mut other = plain_config();
    other["architecture"] = json!("arm64");
    let drafts = [
        ("base", vec![of(&plain, plain_config())]),
        ("rich", vec![of(&rich, rich_config())]),
        ("onbuild", vec![of(&plain, onbuild_config())]),
        ("devices", vec![of(&[layer.clone(), devices], plain_config())]),
        ("bare", vec![of(&[bare], json!({ "architecture": "amd64", "os": "linux" }))]),
        ("multi", vec![of(&plain, plain_config()), of(&plain, other)]),
    ];
    let mut all = Vec::new();
    for (name, drafts) in drafts {
        let layout = directory.join(name);
        let digest = write_layout(&layout, &drafts)?;
        all.push(Base { name, layout, digest });
    }
    let plain = image::load_one(&all[0].layout)?;
    let names = match plain.tree.get(BUSYBOX).map(|node| &node.kind) {
        Some(testkit::tree::Kind::File { digest, .. }) => {
            BTreeMap::from([(digest.clone(), "busybox".to_owned())])
        }
        _ => BTreeMap::new(),
    };
    Ok(Bases { all, plain, names })
}

fn members(text: &str) -> Result<Vec<Member>, String> {
    text.lines().map(member).collect()
}

fn base_layer(busybox: Vec<u8>) -> Result<Vec<Member>, String> {
    let mut layer = members(TREE)?;
    let mut program = member("bin/busybox mode=0755")?;
    program.kind = NodeKind::File(busybox);
    layer.push(program);
    for command in COMMANDS.split_whitespace() {
        layer.push(member(&format!("bin/{command} -> busybox"))?);
    }
    Ok(layer)
}

fn plain_config() -> Value {
    json!({
        "architecture": "amd64",
        "os": "linux",
        "config": { "Env": ["PATH=/usr/bin:/bin"], "Cmd": ["/bin/sh"] },
    })
}

fn rich_config() -> Value {
    json!({
        "architecture": "amd64",
        "os": "linux",
        "author": "somebody",
        "config": {
            "Env": ["PATH=/usr/bin:/bin", "COLOUR=green", "EMPTY="],
            "User": "app",
            "WorkingDir": "/data",
            "Entrypoint": ["/bin/echo", "entry"],
            "Cmd": ["cmd"],
            "ExposedPorts": { "80/tcp": {}, "53/udp": {} },
            "Volumes": { "/data/volume": {} },
            "Labels": { "from.base": "yes", "shared": "base" },
            "StopSignal": "SIGQUIT",
            "Shell": ["/bin/sh", "-ec"],
            "Healthcheck": { "Test": ["CMD", "/bin/true"], "Interval": 5_000_000_000_u64, "Retries": 2 },
        },
    })
}

fn onbuild_config() -> Value {
    let mut config = plain_config();
    config["config"]["OnBuild"] = json!([
        "ENV FROM_TRIGGER=yes",
        "RUN echo ran > /triggered",
        "COPY . /trigger/",
        "LABEL trigger=label"
    ]);
    config
}
