//! `kapok check --policy`: users' rules over documents and over the repository, their unit tests, their limits.

use crate::environment::TestEnvironment;

const POLICY: &str = "package main\n\ndeny[msg] {\n  input.kind == \"Pod\"\n  msg := sprintf(\"%s is a pod\", [input.metadata.name])\n}\n";

#[test]
fn policies_judge_documents_and_are_tested() {
    let here = TestEnvironment::new();
    here.write("policies/pods.rego", POLICY);
    here.write("policies/pods_test.rego", "package main\n\ntest_pod { count(deny) == 1 with input as {\"kind\": \"Pod\", \"metadata\": {\"name\": \"x\"}} }\n\ntest_wrong { count(deny) == 2 }\n");
    here.write("pod.yaml", "kind: Service\n---\nkind: Pod\nmetadata: {name: web}\n");
    let found = here.kapok("check --policy policies pod.yaml").code(1);
    assert!(found.stdout.contains("error[main.deny]: web is a pod"), "{}", found.stdout);
    assert!(found.stdout.contains("pod.yaml:3:1"), "{}", found.stdout);
    let tested = here.kapok("check --policy policies --test").code(1);
    assert_eq!(
        tested.stdout,
        "policies/pods_test.rego:5: main.test_wrong failed: it is undefined\n1 passed, 1 failed\n"
    );
}

#[test]
fn policies_judge_the_repository_and_are_stopped() {
    let here = TestEnvironment::new();
    here.write(
        "policies/files.rego",
        "package files\n\nwarn[msg] { endswith(input.files[_], \".txt\"); msg := \"a text\" }\n",
    );
    here.write("notes.txt", "x");
    let found = here.kapok("check --policy policies --level warning").code(1);
    assert!(found.stdout.contains("warning[files.warn]: a text"), "{}", found.stdout);
    here.write("endless/x.rego", "package main\n\ndeny[msg] { a := numbers.range(1, 5000)[_]; b := numbers.range(1, 5000)[_]; c := numbers.range(1, 5000)[_]; a + b + c < 0; msg := \"x\" }\n");
    here.write("x.json", "{}");
    let stopped = here.kapok("check --policy endless --time-limit 1 x.json").code(2);
    assert!(stopped.stderr.contains("rule `main.deny` was stopped after 1000 ms"), "{}", stopped.stderr);
}
