//! Wrong projects: each is told by one message, with the place where the mistake stands.

use crate::environment::TestEnvironment;

/// A mistake: files, what is said, where.
type Mistake = (&'static str, &'static str, &'static str);

const CONFIG: &str = "apiVersion: build.openshift.io/v1\nkind: BuildConfig\nmetadata: {name: a}\nspec:\n";

const MISTAKES: &[Mistake] = &[
    (
        "//- /a/Dockerfile\nFROM b\n//- /b/Dockerfile\nFROM c\n//- /c/Dockerfile\nFROM a\n",
        "images need each other: `a` needs `b` needs `c` needs `a`",
        "a/Dockerfile:1:6",
    ),
    ("//- /kapok.yaml\nimages:\n  app: {context: app\n  b: c\n", "this is not YAML", "kapok.yaml:3:4"),
    (
        "//- /kapok.yaml\nimages:\n  app:\n    contxt: app\n",
        "unknown key `contxt` in `images.app`",
        "kapok.yaml:3:5",
    ),
    ("//- /kapok.yaml\nimages:\n  \"App One\": app\n", "the repository must be lower case", "kapok.yaml:2:3"),
    (
        "//- /kapok.yaml\nimages:\n  a: {context: app, tags: [\"x:1\"]}\n  b: {context: app, tags: [\"x:1\"]}\n//- /app/Dockerfile\nFROM scratch\n",
        "`a` and `b` both write `x:1`",
        "kapok.yaml:3:28",
    ),
    (
        "//- /kapok.yaml\nimages:\n  a: {context: apq}\n//- /app/Dockerfile\nFROM scratch\n",
        "the build context `apq` of `a` is not there",
        "kapok.yaml:2:16",
    ),
    (
        "//- /kapok.yaml\nimages:\n  a: {context: app, dockerfile: Dockerfile.x}\n//- /app/Dockerfile\nFROM scratch\n",
        "the Dockerfile `app/Dockerfile.x` of `a` is not there",
        "kapok.yaml:2:33",
    ),
    (
        "//- /kapok.yaml\nimages:\n  a: {context: app, target: runtme}\n//- /app/Dockerfile\nFROM scratch AS runtime\n",
        "has no stage `runtme`",
        "kapok.yaml:2:29",
    ),
    (
        "//- /kapok.yaml\nimages:\n  a: {context: app, tests: [{file: /nope}]}\n//- /app/Dockerfile\nFROM scratch\nCOPY Dockerfile /\n",
        "test `file /nope` failed: there is no `/nope`",
        "kapok.yaml:2:29",
    ),
    (
        "//- /app/Dockerfile\nFROM localhost/nothing:1\n",
        "nothing here builds `localhost/nothing:1`",
        "app/Dockerfile:1:6",
    ),
    ("//- /app/Dockerfile\nFROM UPPER/Case:1\n", "the repository must be lower case", "app/Dockerfile:1:6"),
    (
        "//- /kapok.yaml\nimages: {a: {context: app, limits: {memory: lots}}}\n",
        "`limits.memory`: `lots` is not a size",
        "kapok.yaml:1:45",
    ),
    (
        "//- /kapok.yaml\nimages: {a: {context: app, timeout: soon}}\n",
        "`timeout`: `soon` is not a length of time",
        "kapok.yaml:1:37",
    ),
    ("//- /app/Dockerfile\nFROM scratch\nCOPPY x /\n", "unknown instruction `COPPY`", "app/Dockerfile:2:1"),
    ("//- /kapok.yaml\nimages:\n  a: app\n  a: app2\n", "`a` stands here twice", "kapok.yaml:3:3"),
    (
        "//- /kapok.yaml\ninclude: [services/*]\nimages: {a: {inline: FROM scratch}}\n",
        "`include`: there is no file `services/*`",
        "kapok.yaml:1:11",
    ),
    (
        "//- /kapok.yaml\nca: certs/ca.pem\nimages: {a: {inline: FROM scratch}}\n",
        "`ca`: there is no file `certs/ca.pem`",
        "kapok.yaml:1:5",
    ),
    (
        "//- /kapok.yaml\nimages: {a: {context: ../x}}\n",
        "`../x` is outside of the project",
        "kapok.yaml:1:23",
    ),
    ("//- /kapok.yaml\nimages: [a, b]\n", "`images` must be a mapping", "kapok.yaml:1:9"),
    (
        "//- /kapok.yaml\nimages: {a: {inline: FROM scratch, dockerfile: Dockerfile}}\n",
        "`inline` and `dockerfile` are two Dockerfiles for one image",
        "kapok.yaml:1:22",
    ),
    (
        "//- /kapok.yaml\nbases: {x: {suite: s, pakages: [a]}}\nimages: {a: {inline: FROM x}}\n",
        "unknown key `pakages` in `bases.x`",
        "kapok.yaml:1:23",
    ),
    (
        "//- /b.yaml\nCONFIG  source: {contextDir: app}\n  strategy: {dockerStrategy: {}}\n  resources: {limits: {memory: 2 gigs}}\n//- /app/Dockerfile\nFROM scratch\n",
        "`2 gigs` is no quantity",
        "b.yaml:7:32",
    ),
    (
        "//- /b.yaml\nCONFIG  source: {contextDir: appp}\n  strategy: {dockerStrategy: {}}\n//- /app/Dockerfile\nFROM scratch\n",
        "the build context `appp` of `a` is not there",
        "b.yaml:5:24",
    ),
    (
        "//- /b.yaml\nCONFIG  source: {contextDir: app\n//- /app/Dockerfile\nFROM scratch\n",
        "this is not YAML",
        "b.yaml:",
    ),
    (
        "//- /a/Dockerfile\nFROM scratch\nCOPY missing /x\n",
        "`missing` is not in the build context",
        "a/Dockerfile:2:1",
    ),
];

#[test]
fn a_mistake_is_told_once_with_its_place() {
    for (files, message, place) in MISTAKES {
        let here = TestEnvironment::new();
        for part in files.split("//- /").skip(1) {
            let (path, content) = part.split_once('\n').expect("a name and a text");
            here.write(path, content.replace("CONFIG", CONFIG));
        }
        let ran = here.kapok("build --no-check");
        let said = &ran.stderr;
        assert!(matches!(ran.code, 2 | 4), "{files}\n{}: {said}", ran.code);
        let errors = said.lines().filter(|line| line.starts_with("error")).count();
        assert_eq!(errors, 1, "{files}\n{said}");
        assert!(said.contains(message) && said.contains(place), "{files}\n{said}");
    }
}
