//! Archives whose members would leave the tree, fill the disk or pretend to be the store's own.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::json;
use testkit::archive::{Form, Member, member, write};
use testkit::layout::{Draft, write_layout};

use super::world::ensure;
use super::{Place, Test, Trouble, World};
use crate::command;

pub const TESTS: &[Test] = &[
    ("hostile archives by ADD", by_add),
    ("hostile layers of a base", by_layer),
    ("hostile layers by load", by_load),
    ("archives without end", bombs),
    ("directories ten thousand deep", deep),
];

/// A name, members, and the marker that must not appear outside.
const HOSTILE: [(&str, &str); 12] = [
    ("dots", "../../../../../../../../{marker} text=x"),
    ("absolute", "{marker} text=x"),
    ("link then file", "out -> {above}\nout/marker text=x"),
    ("relative link then file", "out -> ../../../../../../../../{above}\nout/marker text=x"),
    ("directory over link", "out -> {above}\nout/\nout/marker text=x"),
    ("hard link out", "hard => {secret}"),
    ("hard link through link", "out -> {above}\nhard => out/secret"),
    ("link to link", "a -> {above}\nb -> a\nb/marker text=x"),
    ("whiteout out", "../../../../../../../../{above}/.wh.secret text="),
    ("whiteout of dots", ".wh... text=\nd/.wh... text=\nd/.wh.. text=\n.wh. text="),
    (
        "own attributes",
        "d/ xattr=user.overlay.opaque=y xattr=trusted.overlay.opaque=y\nf text=x xattr=trusted.overlay.redirect=/etc xattr=user.overlay.metacopy=",
    ),
    ("whiteout devices", "etc/passwd type=char:0:0\nd/ mode=0755\nd/x type=char:0:0"),
];

/// The members of one attack on a place; `{above}` is its directory on this machine.
fn members(text: &str, place: &Place<'_>) -> Result<Vec<Member>, Trouble> {
    let above = place.path.to_string_lossy().into_owned();
    let text = text
        .replace("{marker}", &format!("{above}/marker"))
        .replace("{secret}", &format!("{above}/secret"))
        .replace("{above}", &above);
    text.lines().map(|line| member(line).map_err(Trouble::Failed)).collect()
}

/// Nothing was written outside, nothing there was removed, and nothing of it came in.
fn unharmed(name: &str, place: &Place<'_>) -> Result<(), Trouble> {
    ensure(!place.path.join("marker").exists(), || format!("{name}: a file was written outside the tree"))?;
    let secret = fs::read_to_string(place.path.join("secret")).unwrap_or_default();
    ensure(secret == "outside\n", || format!("{name}: a file outside the tree was changed"))?;
    let links = std::os::unix::fs::MetadataExt::nlink(&fs::metadata(place.path.join("secret"))?);
    ensure(links == 1, || format!("{name}: a file outside the tree has another name now"))
}

fn polite(name: &str, outcome: &command::Outcome) -> Result<(), Trouble> {
    ensure(matches!(outcome.code(), 0..=4), || {
        format!("{name}: exit {}\n{}", outcome.code(), outcome.tail(12))
    })
}

fn by_add(world: &World) -> Result<(), Trouble> {
    let place = world.place("hostile-add")?;
    fs::write(place.path.join("secret"), "outside\n")?;
    for (name, text) in HOSTILE {
        let context =
            place.context("//- /Dockerfile\nFROM base\nADD a.tar /to/\nRUN ls -R /to; cat /to/hard; id\n")?;
        fs::write(context.join("a.tar"), write(Form::Tar, &members(text, &place)?)?)?;
        let outcome = command::run(&mut place.build_command(&context, &[]), Duration::from_secs(60))?;
        polite(name, &outcome)?;
        unharmed(name, &place)?;
        ensure(!outcome.stdout.contains("outside") && !outcome.stderr.contains("outside\n"), || {
            format!("{name}: a file from outside can be read inside")
        })?;
    }
    place.verify()
}

/// Writes a layout whose second layer is the attack.
fn layout(to: &Path, attack: Vec<Member>) -> Result<(), Trouble> {
    let first = "bin/\netc/\netc/passwd text=root:x:0:0::/:/bin/sh\\n\nd/\nd/x text=x\nd/y text=y";
    let first: Result<Vec<_>, _> = first.lines().map(member).collect();
    let draft = Draft {
        layers: vec![first.map_err(Trouble::Failed)?, attack],
        config: json!({ "architecture": "amd64", "os": "linux" }),
    };
    fs::remove_dir_all(to).ok();
    write_layout(to, &[draft])?;
    Ok(())
}

fn by_layer(world: &World) -> Result<(), Trouble> {
    let place = world.place("hostile-layer")?;
    fs::write(place.path.join("secret"), "outside\n")?;
    let to = place.path.join("layout");
    for (name, text) in HOSTILE {
        layout(&to, members(text, &place)?)?;
        let context = place.context("//- /Dockerfile\nFROM evil\nCOPY --from=base /bin /bin\nRUN ls -R / | head -50; cat /hard; cat /etc/passwd\n")?;
        let evil = format!("evil=oci-layout://{}", to.display());
        let outcome = command::run(
            &mut place.build_command(&context, &["--build-context", &evil]),
            Duration::from_secs(60),
        )?;
        polite(name, &outcome)?;
        unharmed(name, &place)?;
    }
    place.verify()
}

fn by_load(world: &World) -> Result<(), Trouble> {
    let place = world.place("hostile-load")?;
    fs::write(place.path.join("secret"), "outside\n")?;
    let to = place.path.join("layout");
    for (name, text) in HOSTILE {
        layout(&to, members(text, &place)?)?;
        let outcome = place.kapok(&["load", "-i", &to.to_string_lossy(), "-t", "evil:latest"])?;
        polite(name, &outcome)?;
        let outcome = place.kapok(&["run", "evil:latest", "/bin/true"])?;
        ensure(outcome.code() != 70, || format!("{name}: {}", outcome.tail(12)))?;
        unharmed(name, &place)?;
    }
    // The archive around the layers is hostile too.
    let outer = members(
        "../../../../../../../../{marker} text=x\nindex.json -> {secret}\noci-layout => {secret}",
        &place,
    )?;
    fs::write(place.path.join("outer.tar"), write(Form::Tar, &outer)?)?;
    let outcome = place.kapok(&["load", "-i", &place.path.join("outer.tar").to_string_lossy()])?;
    polite("outer archive", &outcome)?;
    ensure(!outcome.success(), || "an archive without an image was loaded".into())?;
    unharmed("outer archive", &place)?;
    place.verify()
}

/// Compressed files that would grow without bound, and headers that promise what does not come.
fn bombs(world: &World) -> Result<(), Trouble> {
    let place = world.place("bombs")?;
    let context = place.context("//- /Dockerfile\nFROM scratch\nADD bomb /to/\n")?;
    let huge = member("zeros text=").map_err(Trouble::Failed)?;
    let mut header = write(Form::Tar, &[huge])?;
    // One TiB, as base-256 (the first bit set), in the size field of the only header.
    header[124..136].copy_from_slice(&[0x80, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0]);
    let sum: u32 =
        header[..148].iter().chain(&header[156..512]).map(|byte| u32::from(*byte)).sum::<u32>() + 8 * 32;
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    fs::write(context.join("bomb"), &header[..1024])?;
    let outcome = command::run(&mut place.build_command(&context, &[]), Duration::from_secs(60))?;
    polite("a member of one TiB", &outcome)?;
    ensure(!outcome.success(), || "a truncated archive was taken for whole".into())?;
    // Many thousand gzip members of nothing.
    let empty = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    fs::write(context.join("bomb"), empty.repeat(200_000))?;
    let outcome = command::run(&mut place.build_command(&context, &[]), Duration::from_secs(60))?;
    polite("empty gzip members", &outcome)?;
    place.verify()
}

/// A tree too deep for a path in one piece: made by RUN, copied, archived and removed again.
fn deep(world: &World) -> Result<(), Trouble> {
    let place = world.place("deep")?;
    let path = "d/".repeat(10_000);
    let context = place.context("//- /Dockerfile\nFROM base\nADD deep.tar /to/\n")?;
    let members = [member(&format!("{path}file text=x")).map_err(Trouble::Failed)?];
    fs::write(context.join("deep.tar"), write(Form::Tar, &members)?)?;
    let outcome = command::run(&mut place.build_command(&context, &[]), Duration::from_secs(120))?;
    polite("an archive ten thousand deep", &outcome)?;
    place.verify()?;
    // The same made inside a step, and in the context.
    let outcome = place.build(
        "//- /Dockerfile\nFROM base\nRUN i=0; while [ $i -lt 3000 ]; do mkdir d && cd d; i=$((i+1)); done; touch end\nCOPY --from=base /etc/passwd /x\n",
        &[],
    )?;
    polite("directories three thousand deep made by a step", &outcome)?;
    let make = "i=0; while [ $i -lt 3000 ]; do mkdir d && cd d; i=$((i+1)); done; touch end";
    let deep = place.path.join("context/deep");
    fs::create_dir_all(&deep)?;
    command::must(Command::new("sh").current_dir(&deep).args(["-c", make]), Duration::from_secs(60))?;
    let outcome = place.build("//- /Dockerfile\nFROM base\nCOPY deep /to\n", &[])?;
    polite("a context three thousand deep", &outcome)?;
    // The test's own directory must be removable by other programs.
    command::must(Command::new("rm").arg("-rf").arg(&deep), Duration::from_secs(60))?;
    let outcome = place.kapok(&["gc"])?;
    ensure(outcome.success(), || format!("kapok gc: {}", outcome.tail(10)))?;
    command::must(Command::new("rm").arg("-rf").arg(&place.store), Duration::from_secs(60))?;
    Ok(())
}
