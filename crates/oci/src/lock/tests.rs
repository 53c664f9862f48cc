//! Locks read and written, and told apart from what is none.

use proptest::prelude::*;

use super::{Content, Download, ImageLock, Lock, RequestKey, Source, normalised_url};
use crate::Digest;
use crate::record::{Intake, Verdict};

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

fn intake(url: &str, body: &str) -> Intake {
    Intake {
        url: url.to_owned(),
        digest: Some(digest(body)),
        size: body.len() as u64,
        status: Some(200),
        ..Intake::default()
    }
}

fn example() -> Lock {
    let mut image = ImageLock::default();
    image.base("docker.io/library/debian:bookworm", &"linux/amd64".parse().unwrap(), digest("base"));
    let content = Content { digest: digest("tool"), size: 4 };
    let source = Source { content, modified: Some(1_700_000_000), name: Some("a b".to_owned()) };
    image.source("https://example.org:443/tool.tgz", source);
    image.commit("https://example.org/tool.git", "main", "3f1c");
    let deb = intake("https://e.org/pool/curl_8_amd64.deb", "deb");
    let purl = Some("pkg:deb/debian/curl@8?arch=amd64".to_owned());
    let release = Intake { mutable: true, ..intake("https://e.org/dists/x/InRelease", "release") };
    let post = Intake {
        method: "POST".to_owned(),
        request: Some(digest("q")),
        ..intake("https://e.org/api", "answer")
    };
    let missing = Intake { status: Some(404), digest: None, size: 0, ..intake("https://e.org/x", "") };
    let refused = Verdict::Refused { rule: "r".to_owned(), reason: "no".to_owned() };
    for intake in [
        Intake { purl, ..deb },
        release,
        post,
        missing,
        intake("https://e.org/setup.sh", "script"),
        Intake { verdict: refused, ..intake("https://e.org/refused", "") },
        intake("tcp://e.org:22", ""),
    ] {
        image.download(&intake).unwrap();
    }
    Lock { images: [("app".to_owned(), image)].into() }
}

#[test]
fn a_lock_reads_well() {
    let (base, tool, deb, release, answer, script) = (
        digest("base"),
        digest("tool"),
        digest("deb"),
        digest("release"),
        digest("answer"),
        digest("script"),
    );
    let variant = &digest("q").hex()[..16];
    let wanted = format!(
        "# kapok.lock 1\n\
         # What the images are made of. `kapok build --lock` writes it, `kapok build --locked` takes nothing else.\n\n\
         image app\n\
         base docker.io/library/debian:bookworm linux/amd64 {base}\n\
         add https://example.org/tool.tgz {tool} 4 2023-11-14T22:13:20Z name=a%20b\n\
         commit https://example.org/tool.git main 3f1c\n\
         index https://e.org/dists/x/InRelease {release} 7\n\
         package https://e.org/pool/curl_8_amd64.deb {deb} 3 pkg:deb/debian/curl@8?arch=amd64\n\
         file https://e.org/setup.sh {script} 6\n\
         answer https://e.org/api POST 200 {answer} 6 for={variant}\n\
         answer https://e.org/x GET 404\n"
    );
    assert_eq!(example().to_string(), wanted);
    assert_eq!(Lock::parse(&wanted), Ok(example()));
    let shuffled =
        wanted.replace("\nimage app\n", "\r\n# a remark\nimage  app\n").replace("add ", "\tadd   ");
    assert_eq!(Lock::parse(&shuffled), Ok(example()));
}

#[test]
fn answers_are_found_and_compared() {
    let lock = example();
    let image = lock.image("app").unwrap();
    let found = image.find("GET", "https://E.org:443/pool/./curl_8_amd64.deb#x", None).unwrap();
    assert_eq!(found.content, Some(Content { digest: digest("deb"), size: 3 }));
    assert!(image.find("POST", "https://e.org/api", Some(&digest("q"))).is_some());
    assert!(image.find("POST", "https://e.org/api", None).is_none());
    assert!(image.find("GET", "https://e.org/refused", None).is_none());
    assert_eq!(image.agrees(&[intake("https://e.org/setup.sh", "script")]), Ok(()));
    let other = image.agrees(&[intake("https://e.org/setup.sh", "other")]).unwrap_err();
    let wanted = format!(
        "two steps had different answers from `https://e.org/setup.sh`: {} and {}",
        digest("script"),
        digest("other")
    );
    assert_eq!(other.to_string(), wanted);
    assert_eq!(image.agrees(&[intake("https://e.org/new", "x")]).unwrap_err().first, "nothing");
    let mut image = image.clone();
    assert!(image.download(&intake("https://e.org/setup.sh", "script")).is_ok());
    assert!(image.download(&intake("https://e.org/setup.sh", "other")).is_err());
    assert_eq!(lock.contents().len(), 6);
}

#[test]
fn images_are_merged_one_by_one() {
    let mut lock = example();
    let app = ImageLock::default();
    lock.images.insert("other".to_owned(), app.clone());
    lock.merge(Lock { images: [("app".to_owned(), app.clone()), ("new one".to_owned(), app)].into() });
    assert_eq!(lock.images.keys().collect::<Vec<_>>(), ["app", "new one", "other"]);
    assert!(lock.images["app"].is_empty());
    assert_eq!(Lock::parse(&lock.to_string()), Ok(lock));
}

#[test]
fn mistakes_have_a_place() {
    let check = |text: &str, line: usize, marked: &str, message: &str| {
        let error = Lock::parse(text).unwrap_err();
        assert_eq!(
            (error.line, &text[error.span.clone()], error.message.as_str()),
            (line, marked, message),
            "{text:?}"
        );
    };
    let with = |line: &str| format!("# kapok.lock 1\nimage é\n{line}\n");
    let sum = digest("");
    check("", 1, "", "a lock begins with `# kapok.lock 1`");
    check("# kapok.lock 2\n", 1, "# kapok.lock 2", "this lock has version 2; this Kapok reads version 1");
    check("# kapok.lock x\n", 1, "# kapok.lock x", "`x` is no version of a lock");
    check("# kapok.lock 1\nfile https://h/ x 1\n", 2, "file", "a line before the first `image`");
    check(&with("fetch https://h/"), 3, "fetch", "`fetch` begins no line of a lock");
    check(&with("file /a"), 3, "/a", "`/a` is no URL");
    check(&with("file https://h/"), 3, "", "a digest is missing at the end");
    check(
        &with("file https://h/ sha256:00 1"),
        3,
        "sha256:00",
        "`sha256:00` is not a digest: sha256 has 64 lower-case hexadecimal digits",
    );
    check(&with(&format!("file https://h/ {sum} many")), 3, "many", "`many` is no size");
    check(&with(&format!("file https://h/ {sum} 1 x")), 3, "x", "`x` is not expected here");
    check(&with(&format!("package https://h/ {sum} 1 x")), 3, "x", "`x` is no package URL");
    check(&with("answer https://h/ get 200"), 3, "get", "`get` is no method");
    check(&with("answer https://h/ GET 20"), 3, "20", "`20` is no status");
    check(&with("<<<<<<< HEAD"), 3, "<<<<<<<", "a merge was not finished here");
    let twice = format!("file https://h/ {sum} 1\nfile https://h/ {sum} 2");
    check(&with(&twice), 4, &format!("file https://h/ {sum} 2"), "an earlier line says otherwise");
    let same = format!("file https://h/ {sum} 1\nfile https://h/ {sum} 1");
    assert!(Lock::parse(&with(&same)).is_ok());
}

fn word() -> impl Strategy<Value = String> {
    "[ -~é\t]{1,12}"
}

fn url() -> impl Strategy<Value = String> {
    "https?://[a-z]{1,4}(:[0-9]{2})?(/[ -~é]{0,6}){0,3}(\\?[!-~]{0,8})?".prop_map(|url| normalised_url(&url))
}

fn content() -> impl Strategy<Value = Content> {
    (any::<[u8; 32]>(), any::<u64>())
        .prop_map(|(bytes, size)| Content { digest: Digest::Sha256(bytes), size })
}

fn source() -> impl Strategy<Value = Source> {
    let modified = proptest::option::of(0..4_000_000_000i64);
    let rest = (content(), modified, proptest::option::of(word()));
    rest.prop_map(|(content, modified, name)| Source { content, modified, name })
}

fn download() -> impl Strategy<Value = (RequestKey, Download)> {
    let key = (url(), "GET|HEAD|POST", proptest::option::of("[0-9a-f]{16}"));
    let key = key.prop_map(|(url, method, variant)| RequestKey { url, method, variant });
    let purl = proptest::option::of("pkg:[a-z]{2,4}/[a-z%0-9@.]{1,9}");
    let rest =
        (prop_oneof![Just(200u16), 100..1000u16], proptest::option::of(content()), any::<bool>(), purl);
    (key, rest.prop_map(|(status, content, mutable, purl)| Download { status, content, mutable, purl }))
}

fn image() -> impl Strategy<Value = ImageLock> {
    use proptest::collection::btree_map as map;
    (
        map((word(), word()), any::<[u8; 32]>().prop_map(Digest::Sha256), 0..3),
        map(url(), source(), 0..3),
        map((word(), word()), word(), 0..3),
        proptest::collection::vec(download(), 0..6),
    )
        .prop_map(|(bases, sources, commits, downloads)| ImageLock {
            bases,
            sources,
            commits,
            downloads: downloads.into_iter().collect(),
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_lock_reads_back(images in proptest::collection::btree_map(word(), image(), 0..3)) {
        let lock = Lock { images };
        let text = lock.to_string();
        prop_assert_eq!(Lock::parse(&text), Ok(lock), "{}", text);
    }

    #[test]
    fn no_text_breaks_it(text in "(# kapok.lock 1\n)?(image a\n)?[ -~\n]{0,80}") {
        if let Err(error) = Lock::parse(&text) {
            prop_assert!(text.get(error.span).is_some());
        }
    }
}
