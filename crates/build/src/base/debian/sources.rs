//! What the image's own apt is told of where its packages come from (sources.list(5), the deb822 form).

use super::archive::{Source, ValidUntil};
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

/// Where keyrings go that the image does not have by itself.
const KEYRINGS: &str = "etc/apt/keyrings";

/// Writes `/etc/apt/sources.list.d/NAME.sources`, and the keyrings that it names and no package brings. Suites of the
/// same archive share a stanza, as in Debian's own images.
pub fn write(root: &Path, name: &str, sources: &[Source]) -> io::Result<()> {
    let mut stanzas: Vec<(&Source, Vec<&str>)> = Vec::new();
    for source in sources {
        let same = |other: &Source| {
            (&other.uri, &other.components, &other.keys, other.signed_by, other.valid_until)
                == (&source.uri, &source.components, &source.keys, source.signed_by, source.valid_until)
        };
        match stanzas.iter_mut().find(|(other, _)| same(other)) {
            Some((_, suites)) => suites.push(&source.suite),
            None => stanzas.push((source, vec![&source.suite])),
        }
    }
    let mut text = String::new();
    for (number, (source, suites)) in stanzas.iter().enumerate() {
        if number > 0 {
            text.push('\n');
        }
        let (suites, components) = (suites.join(" "), source.components.join(" "));
        let _ =
            writeln!(text, "Types: deb\nURIs: {}\nSuites: {suites}\nComponents: {components}", source.uri);
        if source.signed_by {
            let keys =
                source.keys.iter().map(|key| keyring(root, name, key)).collect::<io::Result<Vec<_>>>()?;
            let _ = writeln!(text, "Signed-By: {}", keys.join(" "));
        }
        if source.valid_until == ValidUntil::IgnoredBySource {
            text.push_str("Check-Valid-Until: no\n");
        }
    }
    let directory = root.join("etc/apt/sources.list.d");
    fs::create_dir_all(&directory)?;
    fs::write(directory.join(format!("{name}.sources")), text)
}

/// The path in the image of a keyring: that of the file which a package brought, or of a copy.
fn keyring(root: &Path, name: &str, key: &super::archive::KeyFile) -> io::Result<String> {
    let there = root.join(key.path.trim_start_matches('/'));
    if key.path.starts_with("/usr/share/keyrings/") && there.is_file() {
        return Ok(key.path.clone());
    }
    let armoured = key.bytes.starts_with(b"-----BEGIN");
    let own = Path::new(&key.path).file_stem().and_then(|stem| stem.to_str()).unwrap_or(name);
    let file = format!("{KEYRINGS}/{own}.{}", if armoured { "asc" } else { "gpg" });
    fs::create_dir_all(root.join(KEYRINGS))?;
    fs::write(root.join(&file), &key.bytes)?;
    Ok(format!("/{file}"))
}
