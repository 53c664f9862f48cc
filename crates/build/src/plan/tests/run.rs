//! RUN: mounts, networks, rights.

use expect_test::expect;

use super::{Network, Permissions, case};

#[test]
fn forms() {
    case("FROM base\nRUN a b\nRUN [\"a\", \"b c\"]\nSHELL [\"/bin/bash\", \"-c\"]\nRUN <<EOF\nx\nEOF\nRUN <<-EOF\n\t#!/bin/sh -e\n\ty\nEOF\nRUN cat <<A <<'B'\n1\nA\n2\nB\n")
        .check(expect![[r##"
            stage stage-0 for linux/amd64 from image base
              1/6 RUN a b
                  args ["/bin/sh" "-c" "a b"]
              2/6 RUN ["a", "b c"]
                  args ["a" "b c"]
              3/6 SHELL ["/bin/bash", "-c"]
              4/6 RUN <<EOF
                  args ["/bin/bash" "-c" "x\n"]
              5/6 RUN <<-EOF
                  args ["/bin/bash" "-c" "/dev/pipes/EOF"]
                  script EOF "#!/bin/sh -e\ny\n"
              6/6 RUN cat <<A <<'B'
                  args ["/bin/bash" "-c" "cat <<A <<'B'\n1\nA\n2\nB"]
        "##]]);
}

#[test]
fn mounts() {
    case(
        "FROM base AS s\nFROM full\nENV C=/cache\nRUN --mount=target=/ctx --mount=type=bind,from=s,src=a/../b,dst=rel,rw \\\n\
         --mount=type=cache,target=$C,sharing=locked,uid=7 --mount=type=cache,id=n,target=/n,from=s,source=/seed,ro,mode=0700 \\\n\
         --mount=type=tmpfs,target=/t,size=1m --mount=type=tmpfs,target=/u \\\n\
         --mount=type=secret,id=tok --mount=type=secret,id=e,env=E --mount=type=secret,id=b,env=B,target=/b,required,mode=0440 \\\n\
         --mount=type=secret,target=/etc/x \\\n\
         --mount=type=ssh --mount=type=ssh,id=k,required=true --mount=type=ssh,target=/s \\\n x\n",
    )
    .check(expect![[r#"
        stage s for linux/amd64 from image base

        stage stage-1 for linux/amd64 from image full
          1/2 ENV C=/cache
          2/2 RUN --mount=target=/ctx --mount=type=bind,from=s,src=a/../b,dst=rel,rw --mount=type=cache,target=$C,sharing=locked,uid=7 --mount=type=cache,id=n,target=/n,from=s,source=/seed,ro,mode=0700 --mount=type=tmpfs,target=/t,size=1m --mount=type=tmpfs,target=/u --mount=type=secret,id=tok --mount=type=secret,id=e,env=E --mount=type=secret,id=b,env=B,target=/b,required,mode=0440 --mount=type=secret,target=/etc/x --mount=type=ssh --mount=type=ssh,id=k,required=true --mount=type=ssh,target=/s  x
              args ["/bin/bash" "-c" "x"]
              env A="base"
              env C="/cache"
              in /work
              as app
              mount bind the context:/ at /ctx read-only
              mount bind stage 0:/b at /work/rel
              mount cache /cache locked owner 7:0 at /cache
              mount cache n shared from stage 0:/seed mode 0700 at /n read-only
              mount tmpfs of 1048576 bytes at /t
              mount tmpfs at /u
              mount secret tok at /run/secrets/tok read-only
              mount secret e as $E read-only
              mount required secret b as $B mode 0440 at /b read-only
              mount secret x at /etc/x read-only
              mount ssh default at /run/buildkit/ssh_agent.0 read-only
              mount required ssh k at /run/buildkit/ssh_agent.1 read-only
              mount ssh default at /s read-only
    "#]]);
}

#[test]
fn mount_errors() {
    case("FROM base\nRUN --mount=target=/ --mount=type=cache,target=/x,from=nosuch --mount=type=what,target=/y x\n")
        .check(expect![[r#"
            error 2:13: a mount cannot take the place of the root directory
            error 2:30: no image `nosuch` (pull it)
            error 2:76: invalid value `what` for `type` of a mount (it can be `bind`, `cache`, `tmpfs`, `secret`, `ssh`)
        "#]]);
}

#[test]
fn a_mount_at_the_working_directory() {
    case("FROM full\nRUN --mount=type=bind,target=. x\n").check(expect![[r#"
        stage stage-0 for linux/amd64 from image full
          1/1 RUN --mount=type=bind,target=. x
              args ["/bin/bash" "-c" "x"]
              env A="base"
              in /work
              as app
              mount bind the context:/ at /work read-only
    "#]]);
}

#[test]
fn networks_and_rights_need_leave() {
    let text = "FROM base\nRUN --network=host a\nRUN --security=insecure b\n";
    case(text).check(expect![[r#"
        error 2:15: this build may not use the machine's own network (allow it with `network.host: true` in /etc/kapok/kapok.yaml or in the user's kapok.yaml)
        error 3:16: this build may not run steps with all capabilities (allow it with `security.insecure: true` in /etc/kapok/kapok.yaml or in the user's kapok.yaml)
    "#]]);
    case(text).allow(Permissions { host_network: true, insecure: true }).check(expect![[r#"
        stage stage-0 for linux/amd64 from image base
          1/2 RUN --network=host a
              args ["/bin/sh" "-c" "a"]
              network host
          2/2 RUN --security=insecure b
              args ["/bin/sh" "-c" "b"]
              security insecure
    "#]]);
}

#[test]
fn the_builds_network_is_the_default() {
    let networks = |case: super::Case| case.runs().iter().map(|run| run.network).collect::<Vec<_>>();
    let text = "FROM base\nRUN a\nRUN --network=default b\nRUN --network=none c\n";
    assert_eq!(networks(case(text)), [Network::Default, Network::Default, Network::None]);
    assert_eq!(networks(case(text).network(Network::None)), [Network::None; 3]);
}
