//! The name that everybody has for a package: its package URL. (Package URL specification, type `deb`)

use oci::record::Intake;

use super::catalog::Package;

/// What a record says of a package that came from `url`; `origin` is who made the archive, by its Release file.
pub fn intake(url: String, origin: Option<&str>, package: &Package) -> Intake {
    Intake {
        url,
        digest: Some(package.digest),
        size: package.size,
        ecosystem: Some("debian".to_owned()),
        purl: Some(purl(origin, package)),
        ..Intake::default()
    }
}

fn purl(origin: Option<&str>, package: &Package) -> String {
    let vendor = origin.unwrap_or("debian").to_ascii_lowercase();
    let version = package.version.to_string();
    let [vendor, name, version] = [&vendor, &package.name, &version].map(|part| percent_encoded(part));
    format!("pkg:deb/{vendor}/{name}@{version}?arch={}", package.architecture)
}

fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            other => encoded += &format!("%{other:02X}"),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_and_pluses_are_encoded() {
        assert_eq!(percent_encoded("1:2.36-9+deb12u4~x"), "1%3A2.36-9%2Bdeb12u4~x");
    }
}
