//! A secret's value is in no layer, no record, no log and no key.

use std::fs;
use std::path::Path;

use super::world::{ensure, refused};
use super::{Test, Trouble, World};

pub const TESTS: &[Test] = &[
    ("a used secret leaves no trace", no_trace),
    ("a secret in a layer fails the step", caught),
    ("a short secret is named", short),
];

const VALUE: &str = "correct-horse/battery+staple";

/// The value as programs write it down.
fn forms() -> [String; 4] {
    [
        VALUE.to_owned(),
        "Y29ycmVjdC1ob3JzZS9iYXR0ZXJ5K3N0YXBsZQ".to_owned(),
        "correct-horse%2Fbattery%2Bstaple".to_owned(),
        "correct-horse\\/battery+staple".to_owned(),
    ]
}

fn no_trace(world: &World) -> Result<(), Trouble> {
    let place = world.place("secret-no-trace")?;
    fs::write(place.path.join("token"), VALUE)?;
    let secret = format!("id=token,src={}", place.path.join("token").display());
    let outcome = place.build(
        "//- /Dockerfile\nFROM base\nRUN --mount=type=secret,id=token --mount=type=secret,id=token,env=TOKEN \
         test \"$(cat /run/secrets/token)\" = \"$TOKEN\" && cat /run/secrets/token && echo \"[$TOKEN]\" && \
         echo used > /used\n",
        &["--secret", &secret],
    )?;
    ensure(outcome.success(), || outcome.tail(20))?;
    let found = search(&place.store)?;
    ensure(found.is_empty(), || format!("the value stands in {}", found.join(", ")))?;
    ensure(!outcome.stderr.contains(VALUE) && !outcome.stdout.contains(VALUE), || {
        format!("the value is in the build's output:\n{}", outcome.tail(20))
    })
}

/// Every file below a directory that holds the value in one of its forms.
fn search(directory: &Path) -> Result<Vec<String>, Trouble> {
    let mut found = Vec::new();
    let mut waiting = vec![directory.to_path_buf()];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(&directory)? {
            let path = entry?.path();
            if path.is_dir() && !path.is_symlink() {
                waiting.push(path);
            } else if path.is_file() {
                let bytes = fs::read(&path)?;
                let plain = testkit::image::decompress(&bytes).unwrap_or(bytes);
                let holds = |form: &String| memmem(&plain, form.as_bytes());
                if forms().iter().any(holds) {
                    found.push(path.display().to_string());
                }
            }
        }
    }
    Ok(found)
}

/// Whether `needle` is in `bytes`; the first byte is looked for on its own, which is quick.
fn memmem(bytes: &[u8], needle: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| *byte == needle[0]) {
        if rest[at..].starts_with(needle) {
            return true;
        }
        rest = &rest[at + 1..];
    }
    false
}

fn caught(world: &World) -> Result<(), Trouble> {
    let place = world.place("secret-caught")?;
    fs::write(place.path.join("token"), VALUE)?;
    let secret = format!("id=token,src={}", place.path.join("token").display());
    for (name, command) in [
        ("plain", "cp /run/secrets/token /leaked"),
        ("inside a file", "seq 20000 > /leaked && cat /run/secrets/token >> /leaked && seq 20000 >> /leaked"),
        ("base64", "base64 -w 0 /run/secrets/token > /leaked"),
        ("as a name", "touch /$(basename $(cat /run/secrets/token)).leaked"),
        ("as a link", "ln -s \"$(cat /run/secrets/token)\" /leaked"),
        ("URL-escaped", "sed 's#/#%2F#g;s#+#%2B#g' /run/secrets/token > /leaked"),
    ] {
        let dockerfile = format!("//- /Dockerfile\nFROM base\nRUN --mount=type=secret,id=token {command}\n");
        let outcome = place.build(&dockerfile, &["--secret", &secret])?;
        // A file's base name holds only the second half of this value: no hit, and no promise.
        if name != "as a name" {
            refused(&outcome, 4, "leaked").map_err(|trouble| match trouble {
                Trouble::Failed(report) => Trouble::Failed(format!("{name}: {report}")),
                other => other,
            })?;
            let found = search(&place.store)?;
            ensure(found.is_empty(), || format!("{name}: the value stands in {}", found.join(", ")))?;
        }
    }
    Ok(())
}

fn short(world: &World) -> Result<(), Trouble> {
    let place = world.place("secret-short")?;
    fs::write(place.path.join("pin"), "123")?;
    let secret = format!("id=pin,src={}", place.path.join("pin").display());
    let dockerfile = "//- /Dockerfile\nFROM base\nRUN --mount=type=secret,id=pin seq 300 > /numbers\n";
    let outcome = place.build(dockerfile, &["--secret", &secret])?;
    let named = outcome.stderr.contains("`pin`") && outcome.stderr.contains("searched");
    ensure(outcome.success() && named, || format!("the short secret is not named:\n{}", outcome.tail(20)))
}
