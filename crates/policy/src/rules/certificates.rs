//! Certificates among the files: whether they are any, and for how long, and whether they are what they stand for.

use crate::facts::{Certificate, Content, Facts};
use crate::level::{Level, Levels};
use crate::rule::{Example, Family, Need, Rule, Sink};

const DAY: i64 = 86_400;

/// Roots of public authorities last up to 30 years; nobody needs more.
const AUTHORITY_YEARS: i64 = 40;
/// What an authority of one's own can do without: its successor is known long before.
const DOUBTFUL_AUTHORITY_YEARS: i64 = 25;
/// A server's certificate is renewed by a program.
const DOUBTFUL_LEAF_YEARS: i64 = 4;
/// Ten years outlive every key's owner.
const LEAF_YEARS: i64 = 10;

fn known(facts: &Facts) -> impl Iterator<Item = (&Certificate, &Content)> {
    facts.certificates.iter().filter_map(|certificate| Some((certificate, certificate.content.as_ref()?)))
}

fn day(seconds: i64) -> crate::Date {
    crate::Date::of_seconds(seconds)
}

/// The inside of a certificate with which nothing is wrong.
macro_rules! good {
    () => {
        "MIIBljCCATygAwIBAgIUGDx6X5QACr/+JZHveoVcI1M9UiowCgYIKoZIzj0EAwIw\n\
             KTEQMA4GA1UECgwHRXhhbXBsZTEVMBMGA1UEAwwMRXhhbXBsZSBSb290MB4XDTI0\n\
             MDEwMTAwMDAwMFoXDTM0MDEwMTAwMDAwMFowKTEQMA4GA1UECgwHRXhhbXBsZTEV\n\
             MBMGA1UEAwwMRXhhbXBsZSBSb290MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n\
             AEE98U1fyT/w6Rqrywf0s7MuWIji+eXuhTG586CYyAifv4rMadz+SJuW4h8reQYK\n\
             9CcllCTa178d/O9MRjAAraNCMEAwDwYDVR0TAQH/BAUwAwEB/zAOBgNVHQ8BAf8E\n\
             BAMCAQYwHQYDVR0OBBYEFKDpVVYome7QQSiNJbq6mfYQxhVWMAoGCCqGSM49BAMC\n\
             A0gAMEUCIQCBEra4iHjPJaDF/2VVdTUzDkdjo8DjeJUnNHqtZ+IfjAIgRvSX0DoT\n\
             yn+xeL6BR44TN5+OE+Hv8nSBQqOh7KwrV8I=\n"
    };
}

/// An example's file: the certificate with a mark around its first line.
macro_rules! marked {
    ($path:literal, $body:expr) => {
        Example(concat!(
            "//- ",
            $path,
            "\n«-----BEGIN CERTIFICATE-----»\n",
            $body,
            "-----END CERTIFICATE-----\n"
        ))
    };
}
macro_rules! plain {
    ($path:literal, $body:expr) => {
        Example(concat!(
            "//- ",
            $path,
            "\n-----BEGIN CERTIFICATE-----\n",
            $body,
            "-----END CERTIFICATE-----\n"
        ))
    };
}

/// Certificates whose day has passed.
pub static EXPIRED: Rule = Rule {
    id: "certificate-expired",
    family: Family::Certificates,
    levels: Levels::WARNING,
    title: "a certificate is still valid",
    why: "Nobody accepts it any more: what is signed by it fails, and who trusts it trusts for nothing.",
    fix: "remove it, or put its successor in its place",
    bad: marked!(
        "ca.pem",
        "MIIBnjCCAUSgAwIBAgIUVaWIVoVtDDC6JCxY66eJ/S3QhKMwCgYIKoZIzj0EAwIw\n\
             LTEQMA4GA1UECgwHRXhhbXBsZTEZMBcGA1UEAwwQRXhhbXBsZSBPbGQgUm9vdDAe\n\
             Fw0xMDAxMDEwMDAwMDBaFw0yMDAxMDEwMDAwMDBaMC0xEDAOBgNVBAoMB0V4YW1w\n\
             bGUxGTAXBgNVBAMMEEV4YW1wbGUgT2xkIFJvb3QwWTATBgcqhkjOPQIBBggqhkjO\n\
             PQMBBwNCAASuh44bU2cCeodrRvU10HT+L6dfwx4i8flQvbThO3gz3R3vBOy1hB9I\n\
             vgg+AmVcrZkZZaAub8N/zQHbd8aQ2ZjNo0IwQDAPBgNVHRMBAf8EBTADAQH/MA4G\n\
             A1UdDwEB/wQEAwIBBjAdBgNVHQ4EFgQUj9Zjvtnl61TyjdBW2HKBHtlubdgwCgYI\n\
             KoZIzj0EAwIDSAAwRQIhAIk1iZn6PwL1cjb5s7gZXOiKsOTGJZNKLK5Ho5ARsAk3\n\
             AiBVBZLi9OrwJhPwHnJiUWL9Dx68cBhTPWJjnAe7YphL6Q==\n"
    ),
    good: plain!("ca.pem", good!()),
    also: &[],
    needs: &[Need::Certificates],
    judge: |facts, sink| {
        for (certificate, content) in known(facts) {
            if content.not_after < sink.standards.today.seconds() {
                sink.find(
                    certificate.place,
                    format!("`{}` expired on {}", content.subject, day(content.not_after)),
                );
            }
        }
    },
};

/// Certificates whose day comes soon.
pub static EXPIRING: Rule = Rule {
    id: "certificate-expiring",
    family: Family::Certificates,
    levels: Levels::of(Some(Level::Warning), Some(Level::Warning), Some(Level::Warning)),
    title: "a certificate is not about to expire",
    why: "Images that are built today run longer than it is valid.",
    fix: "add its successor now, beside it",
    bad: marked!(
        "ca.pem",
        "MIIBpTCCAUygAwIBAgIULEamGJJ+hX77qw/EfOhu31iC5KMwCgYIKoZIzj0EAwIw\n\
             MTEQMA4GA1UECgwHRXhhbXBsZTEdMBsGA1UEAwwURXhhbXBsZSBSb290IG9mIDIw\n\
             MjIwHhcNMjIwMTAxMDAwMDAwWhcNMjYxMjEwMDAwMDAwWjAxMRAwDgYDVQQKDAdF\n\
             eGFtcGxlMR0wGwYDVQQDDBRFeGFtcGxlIFJvb3Qgb2YgMjAyMjBZMBMGByqGSM49\n\
             AgEGCCqGSM49AwEHA0IABFVYWGvtyC0rvTAL5VGu0sFNJWkSW9Lvoa0v3spZ+kS/\n\
             nUxsPLXXI9AviDChZQYbb4DCkSIRroZv1XvnXpgRUbejQjBAMA8GA1UdEwEB/wQF\n\
             MAMBAf8wDgYDVR0PAQH/BAQDAgEGMB0GA1UdDgQWBBQdaODUHZf7YTOQtBlkeWJu\n\
             NJfh8TAKBggqhkjOPQQDAgNHADBEAiBJ65OY1h9rKAJYtu4RVD40T5xwNpNZQzKr\n\
             MLyIQ2JuTgIgP2VgNDUUI0EXhWQum6u1bE1fo4aMOtbkUw7cA1/TVzw=\n"
    ),
    good: plain!("ca.pem", good!()),
    also: &[],
    needs: &[Need::Certificates],
    judge: |facts, sink| {
        for (certificate, content) in known(facts) {
            let today = sink.standards.today.seconds();
            let days = (content.not_after - today) / DAY;
            if content.not_after >= today && days <= i64::from(sink.standards.expiring_days) {
                sink.find(
                    certificate.place,
                    format!("`{}` expires on {}, in {days} days", content.subject, day(content.not_after)),
                );
            }
        }
    },
};

/// Certificates whose day has not come.
pub static FUTURE: Rule = Rule {
    id: "certificate-not-yet-valid",
    family: Family::Certificates,
    levels: Levels::of(Some(Level::Warning), Some(Level::Warning), Some(Level::Warning)),
    title: "a certificate is valid already",
    why: "Nobody accepts it before its day.",
    fix: "keep the one before it until then, beside it",
    bad: marked!(
        "ca.pem",
        "MIIBoTCCAUagAwIBAgIUa+cB6NOgbjO8uuzBsFBHrzn6hMcwCgYIKoZIzj0EAwIw\n\
             LjEQMA4GA1UECgwHRXhhbXBsZTEaMBgGA1UEAwwRRXhhbXBsZSBOZXh0IFJvb3Qw\n\
             HhcNMzAwMTAxMDAwMDAwWhcNMzkwMTAxMDAwMDAwWjAuMRAwDgYDVQQKDAdFeGFt\n\
             cGxlMRowGAYDVQQDDBFFeGFtcGxlIE5leHQgUm9vdDBZMBMGByqGSM49AgEGCCqG\n\
             SM49AwEHA0IABAIOqjckQ8xPw1w2g5Ul0TXmBzqFdMYoCnPTsPug1y/8vZf62ZW+\n\
             SdGvJCUsRXVRfZ5CnITPfIvwK+27c5I7cwmjQjBAMA8GA1UdEwEB/wQFMAMBAf8w\n\
             DgYDVR0PAQH/BAQDAgEGMB0GA1UdDgQWBBRWJTl95RQ2rRk5Dw+b1FZoJHIIAjAK\n\
             BggqhkjOPQQDAgNJADBGAiEAlpQ02Vi8O6WpyYnxZ9eA27U53FMGjoalc/orq1X+\n\
             d5gCIQCRWe6MkTsQNdlWqVnV3nQfAh0p880p7/0EYDcoHuFr6w==\n"
    ),
    good: plain!("ca.pem", good!()),
    also: &[],
    needs: &[Need::Certificates],
    judge: |facts, sink| {
        for (certificate, content) in known(facts) {
            if content.not_before >= sink.standards.today.seconds() + DAY {
                sink.find(
                    certificate.place,
                    format!("`{}` is valid from {} on", content.subject, day(content.not_before)),
                );
            }
        }
    },
};

/// Certificates that are no authority among those that are trusted.
pub static LEAF: Rule = Rule {
    id: "certificate-leaf-in-bundle",
    family: Family::Certificates,
    levels: Levels::of(Some(Level::Warning), Some(Level::Error), Some(Level::Error)),
    title: "a bundle of authorities holds authorities",
    why: "A server's own certificate in a trust store is either ignored or, worse, trusted by itself; and it will be another one next year.",
    fix: "put the authority that signed it there instead",
    bad: marked!(
        "ca-bundle.pem",
        "MIIB0DCCAXagAwIBAgIUPcd3Ndy7ugTFtduokgKpCdvt4BAwCgYIKoZIzj0EAwIw\n\
             LjEQMA4GA1UECgwHRXhhbXBsZTEaMBgGA1UEAwwRbmV4dXMuZXhhbXBsZS5jb20w\n\
             HhcNMjYwMTAxMDAwMDAwWhcNMjcwNjAxMDAwMDAwWjAuMRAwDgYDVQQKDAdFeGFt\n\
             cGxlMRowGAYDVQQDDBFuZXh1cy5leGFtcGxlLmNvbTBZMBMGByqGSM49AgEGCCqG\n\
             SM49AwEHA0IABJ0zjruk6bqZXNBgBh4SrFNY/eC3v7lFXLNiFEBRcxuz1Wmj7hlP\n\
             9GWVxOuvRaWQouaA88jCSZkB/UP/ZxRJNWSjcjBwMAwGA1UdEwEB/wQCMAAwDgYD\n\
             VR0PAQH/BAQDAgeAMBMGA1UdJQQMMAoGCCsGAQUFBwMBMBwGA1UdEQQVMBOCEW5l\n\
             eHVzLmV4YW1wbGUuY29tMB0GA1UdDgQWBBSp+3NIP73Raw6lYPnNHN1BYIDSTTAK\n\
             BggqhkjOPQQDAgNIADBFAiEAwHRgWTS/qR1+7m/fSr05uFquxE7nQNnKeTQSM8R8\n\
             TvcCIFXxxOclhYn3TE0L4lg1LT55YK8E7gYu2C6hZTTvyZIk\n"
    ),
    good: plain!(
        "tls/server.crt",
        "MIIB0DCCAXagAwIBAgIUPcd3Ndy7ugTFtduokgKpCdvt4BAwCgYIKoZIzj0EAwIw\n\
             LjEQMA4GA1UECgwHRXhhbXBsZTEaMBgGA1UEAwwRbmV4dXMuZXhhbXBsZS5jb20w\n\
             HhcNMjYwMTAxMDAwMDAwWhcNMjcwNjAxMDAwMDAwWjAuMRAwDgYDVQQKDAdFeGFt\n\
             cGxlMRowGAYDVQQDDBFuZXh1cy5leGFtcGxlLmNvbTBZMBMGByqGSM49AgEGCCqG\n\
             SM49AwEHA0IABJ0zjruk6bqZXNBgBh4SrFNY/eC3v7lFXLNiFEBRcxuz1Wmj7hlP\n\
             9GWVxOuvRaWQouaA88jCSZkB/UP/ZxRJNWSjcjBwMAwGA1UdEwEB/wQCMAAwDgYD\n\
             VR0PAQH/BAQDAgeAMBMGA1UdJQQMMAoGCCsGAQUFBwMBMBwGA1UdEQQVMBOCEW5l\n\
             eHVzLmV4YW1wbGUuY29tMB0GA1UdDgQWBBSp+3NIP73Raw6lYPnNHN1BYIDSTTAK\n\
             BggqhkjOPQQDAgNIADBFAiEAwHRgWTS/qR1+7m/fSr05uFquxE7nQNnKeTQSM8R8\n\
             TvcCIFXxxOclhYn3TE0L4lg1LT55YK8E7gYu2C6hZTTvyZIk\n"
    ),
    also: &[],
    needs: &[Need::Certificates],
    judge: |facts, sink| {
        for (certificate, content) in known(facts).filter(|(_, content)| !content.authority) {
            let name = &facts.source(certificate.place.source).name;
            if is_bundle(facts, certificate, name) {
                sink.find(certificate.place, format!("`{}` is no authority", content.subject));
            }
        }
    },
};

/// Whether a file is meant to be trusted: it says so, or holds authorities that did not sign the certificate before them.
fn is_bundle(facts: &Facts, certificate: &Certificate, name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or(name).to_ascii_lowercase();
    let stem = file.rsplit_once('.').map_or(file.as_str(), |(stem, _)| stem);
    let words = ["bundle", "cacert", "trust", "rootca", "anchors"];
    let named = certificate.own_file
        && (words.iter().any(|word| file.contains(word))
            || stem.split(['-', '_', '.']).any(|part| matches!(part, "ca" | "cas" | "root" | "roots")));
    let others: Vec<&Certificate> =
        facts.certificates.iter().filter(|other| other.place.source == certificate.place.source).collect();
    // A server's chain begins with its certificate; the authority that signed it follows.
    let chain = certificate.index == 0 && others.iter().any(|other| signed(certificate, other));
    let among = others.iter().any(|other| other.content.as_ref().is_some_and(|content| content.authority))
        && certificate.index > 0;
    !chain && (named || among && certificate.own_file)
}

fn signed(certificate: &Certificate, by: &Certificate) -> bool {
    let (Some(own), Some(other)) = (&certificate.content, &by.content) else { return false };
    own.names.1 == other.names.0 && by.index > certificate.index
}

/// Weak keys and signatures.
pub static WEAK: Rule = Rule {
    id: "certificate-weak",
    family: Family::Certificates,
    levels: Levels::WARNING,
    title: "a certificate's key and signature are strong",
    why: "Keys of 1024 bits and signatures with SHA-1 can be forged for the price of a car; current systems refuse them.",
    fix: "replace it by one with RSA of 2048 bits or more, or P-256, signed with SHA-256",
    bad: marked!(
        "ca.pem",
        "MIICKTCCAZKgAwIBAgIURi/2Kr1jbHXJDlIBiiCArPVwSWQwDQYJKoZIhvcNAQEL\n\
             BQAwLzEQMA4GA1UECgwHRXhhbXBsZTEbMBkGA1UEAwwSRXhhbXBsZSBTaG9ydCBS\n\
             b290MB4XDTI0MDEwMTAwMDAwMFoXDTM0MDEwMTAwMDAwMFowLzEQMA4GA1UECgwH\n\
             RXhhbXBsZTEbMBkGA1UEAwwSRXhhbXBsZSBTaG9ydCBSb290MIGfMA0GCSqGSIb3\n\
             DQEBAQUAA4GNADCBiQKBgQDROqOElqw+WP0kfDic3UU0XNY9uFdeLAQqw8/piLm0\n\
             CPUzq3EGstpOSQnHYMUWptHO6+UY2BWvczp6YtGUEbRcDApilrv6NhmBIocq/EIS\n\
             8veDibm7Jxh2Ni78O6ZsIFx3jZ8g8rFJoURB708eX4bk2txNX6P4bhoPiiJOkVzX\n\
             bwIDAQABo0IwQDAPBgNVHRMBAf8EBTADAQH/MA4GA1UdDwEB/wQEAwIBBjAdBgNV\n\
             HQ4EFgQUUuKBC8FD15as70ICDgpHHzBrJ4IwDQYJKoZIhvcNAQELBQADgYEAF6oQ\n\
             Io+Yb4RltPwQ+dt7xI8rq99fdV13rSTSrQ1sfH0KNTSIQY62ygi8Jl0RiSEFxvr7\n\
             RSIpHchl5k5SK9kzgZ+GThxaQMbQK5nT4AGZEGDQ/ATVfxXPh8xTYOrbc8gblaf/\n\
             R/E4PIvojDME8kFgMf/HbmeRDLFVK2kUxPSRUzA=\n"
    ),
    good: plain!("ca.pem", good!()),
    also: &[],
    needs: &[Need::Certificates],
    judge: |facts, sink| {
        for (certificate, content) in known(facts) {
            if let Some(why) = &content.weak {
                sink.find(certificate.place, format!("`{}` has {why}", content.subject));
                // Nobody checks the signature of a root on itself, so MD5 and SHA-1 do no harm there.
                if content.self_issued && why.starts_with("a signature") {
                    sink.at_most(Level::Info);
                }
            }
        }
    },
};

/// Certificates for ever.
pub static LONG: Rule = Rule {
    id: "certificate-validity-long",
    family: Family::Certificates,
    levels: Levels::of(Some(Level::Warning), Some(Level::Warning), Some(Level::Warning)),
    title: "a certificate ends within reason",
    why: "A key that is trusted for half a century outlives its algorithm, its owner and the memory of where its copies are.",
    fix: "let an authority last at most 20 years, a server a year",
    bad: marked!(
        "ca.pem",
        "MIIBqDCCAU6gAwIBAgIUfBPICS5BrVxbHp0FuRW+JKNVoXMwCgYIKoZIzj0EAwIw\n\
             MTEQMA4GA1UECgwHRXhhbXBsZTEdMBsGA1UEAwwURXhhbXBsZSBFdGVybmFsIFJv\n\
             b3QwIBcNMjQwMTAxMDAwMDAwWhgPMjA3NDAxMDEwMDAwMDBaMDExEDAOBgNVBAoM\n\
             B0V4YW1wbGUxHTAbBgNVBAMMFEV4YW1wbGUgRXRlcm5hbCBSb290MFkwEwYHKoZI\n\
             zj0CAQYIKoZIzj0DAQcDQgAExvvnd2y+RszQDKjpH9WBcxOi9ootuKrPNWE9W3oS\n\
             jqxfxGaoi5XL+P3NGNAJo2KXA79D5Jwb7TCqn6YOks/Eu6NCMEAwDwYDVR0TAQH/\n\
             BAUwAwEB/zAOBgNVHQ8BAf8EBAMCAQYwHQYDVR0OBBYEFN7tc7c48N7aFDWpYt5O\n\
             gAtl1X/bMAoGCCqGSM49BAMCA0gAMEUCIDKYOvKthfa0tPQy+A63nMYc00daJVfs\n\
             NypDU/Q65sXfAiEAuEPf0+W8FrLmwy2E90O4NU9XOMTo0hgo8Xfn7sdQ1oc=\n"
    ),
    good: plain!("ca.pem", good!()),
    also: &[],
    needs: &[Need::Certificates],
    judge: |facts, sink| {
        for (certificate, content) in known(facts) {
            let years = (content.not_after - content.not_before) / (365 * DAY);
            let (wrong, doubtful) = if content.authority {
                (AUTHORITY_YEARS, DOUBTFUL_AUTHORITY_YEARS)
            } else {
                (LEAF_YEARS, DOUBTFUL_LEAF_YEARS)
            };
            if years > doubtful {
                sink.find(certificate.place, format!("`{}` is valid for {years} years", content.subject));
                if years <= wrong {
                    sink.at_most(Level::Info);
                }
            }
        }
    },
};

/// What is no certificate.
pub static BROKEN: Rule = Rule {
    id: "certificate-broken",
    family: Family::Certificates,
    levels: Levels::ERROR,
    title: "what is named like a certificate is one",
    why: "A file that cannot be read is skipped by some tools and stops others; usually it is an error page that was saved, or a copy that was cut.",
    fix: "put the certificate there again",
    bad: marked!("ca.pem", "MIIBnotacertificate\n"),
    good: plain!("ca.pem", good!()),
    also: &[],
    needs: &[Need::Certificates],
    judge: |facts, sink| {
        for certificate in facts.certificates.iter().filter(|certificate| certificate.content.is_none()) {
            let text = facts.text(certificate.place);
            let inside = !text.is_empty() && placeholder(facts, certificate);
            sink.find(
                certificate.place,
                if text.is_empty() { "this file holds no certificate" } else { "this is no certificate" },
            );
            if inside {
                sink.at_most(Level::Info);
            }
        }
    },
};

/// Documentation and templates cut certificates short: `...`, `<certificate>`.
fn placeholder(facts: &Facts, certificate: &Certificate) -> bool {
    let rest = &facts.source(certificate.place.source).text[certificate.place.span.end..];
    let body = rest.split("-----END").next().unwrap_or_default();
    !certificate.own_file || body.contains("...") || body.contains(['<', '{', '$']) || body.trim().is_empty()
}

/// Certificates that stand twice in one file.
pub static TWICE: Rule = Rule {
    id: "certificate-twice",
    family: Family::Certificates,
    levels: Levels::REMARK,
    title: "a bundle holds a certificate once",
    why: "Twice does no harm, but shows that nobody knows what is in the bundle: removing one leaves the other trusted.",
    fix: "remove one of them",
    bad: Example(concat!(
        "//- ca.pem\n-----BEGIN CERTIFICATE-----\n",
        good!(),
        "-----END CERTIFICATE-----\n«-----BEGIN CERTIFICATE-----»\n",
        good!(),
        "-----END CERTIFICATE-----\n"
    )),
    good: plain!("ca.pem", good!()),
    also: &[],
    needs: &[Need::Certificates],
    judge: twice,
};

fn twice(facts: &Facts, sink: &mut Sink<'_>) {
    let mut seen = std::collections::BTreeSet::new();
    for (certificate, content) in known(facts) {
        if !seen.insert((certificate.place.source, &content.der)) {
            sink.find(certificate.place, format!("`{}` stands in this file twice", content.subject));
        }
    }
}

/// These rules.
pub const RULES: &[&Rule] = &[&EXPIRED, &EXPIRING, &FUTURE, &LEAF, &WEAK, &LONG, &BROKEN, &TWICE];
