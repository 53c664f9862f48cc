//! build with registries: `FROM`, `--push`, `--cache-to`, `--cache-from`.

use crate::environment::TestEnvironment;
use crate::registry::Served;

const STAGES: &str =
    "FROM scratch AS one\nCOPY one two /\nFROM scratch\nCOPY --from=one /one /\nCOPY three /\n";

fn machine() -> TestEnvironment {
    let here = TestEnvironment::new();
    here.write("app/Dockerfile", STAGES);
    for file in ["one", "two", "three"] {
        here.write(&format!("app/{file}"), format!("{file}\n"));
    }
    here
}

#[test]
fn what_one_machine_built_another_does_not_build_again() {
    let (there, one, two) = (TestEnvironment::new(), machine(), machine());
    let served = Served::start(&there, "");
    let (image, cache) = (served.name("team/app:1"), served.name("team/cache:main"));
    let to = format!("type=registry,ref={cache},mode=max");
    let digest = one.kapok(&format!("build -q --push -t {image} --cache-to {to} app")).ok().stdout;
    let again = two.kapok(&format!("build --push -t {image} --cache-from {cache} app")).ok().stderr;
    assert!(again.contains("0 run, 3 cached") && again.contains(digest.trim()), "{again}");
    let explain = format!("explain --format json {image}#3");
    let record = |here: &TestEnvironment| {
        let text = here.kapok(&explain).ok().stdout;
        serde_json::from_str::<serde_json::Value>(&text).expect("JSON")["record"].clone()
    };
    assert_eq!(record(&one), record(&two));
    // Its layers are elsewhere, until somebody wants them.
    two.kapok(&format!("save -o saved.tar {image}")).ok();
    two.kapok("gc --verify").ok();

    // A directory does as well as a registry.
    one.kapok("build -q -t app --cache-to type=local,dest=cache,mode=max app").ok();
    let three = machine();
    let from = one.work().join("cache").display().to_string();
    let built = three.kapok(&format!("build -t app --cache-from type=local,src={from} app")).ok().stderr;
    assert!(built.contains("0 run, 3 cached"), "{built}");
}

#[test]
fn a_base_is_known_by_its_name_once_it_was_asked_for() {
    let (there, here) = (TestEnvironment::new(), machine());
    let served = Served::start(&there, "");
    let base = served.name("team/base:1");
    let maker = machine();
    maker.kapok(&format!("build -q --output type=image,name={base},push=true app")).ok();
    here.write("Dockerfile", format!("FROM {base}\nCOPY app/three /four\n"));
    let plan = here.kapok("plan .").ok().stdout;
    assert!(plan.contains(&format!("image {base} ({})", served.name("team/base"))), "{plan}");
    here.kapok("build -q -t app .").ok();
    drop(served);
    here.write("Dockerfile", format!("FROM {base}\nCOPY app/two /four\n"));
    here.kapok("build -q -t app .").ok();
    assert!(here.kapok("plan .").ok().stdout.contains("(the store)"));
    here.kapok("gc --verify").ok();
}

#[test]
fn nothing_that_is_wrong_with_a_cache_fails_a_build() {
    let (there, here) = (TestEnvironment::new(), machine());
    let served = Served::start(&there, "");
    let (image, none) = (served.name("team/app:1"), served.name("team/none:latest"));
    here.kapok(&format!("build -q --push -t {image} app")).ok();
    let built = machine().kapok(&format!("build --cache-from {image} --cache-from {none} app")).ok().stderr;
    assert!(
        built.contains(&format!("warning: the cache `{image}` cannot be used: it is no cache")),
        "{built}"
    );
    assert!(built.contains(&format!("warning: there is no cache `{none}` yet")), "{built}");
    let built = here.kapok("build --cache-to type=local,dest=/proc/none app").ok().stderr;
    assert!(
        built.contains("warning: the results of this build could not be left in `/proc/none`"),
        "{built}"
    );
    here.kapok("build --cache-to type=local,dest=/proc/none,ignore-error=false app").code(2);
    let refused = here.kapok("build --push app").code(2).stderr;
    assert!(refused.contains("without a name"), "{refused}");
}
