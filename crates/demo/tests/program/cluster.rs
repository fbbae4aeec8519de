//! `padan-demo cluster`.

use std::{fs, path::Path};

use padan_testing::{stderr, stdout};

use crate::fixture::{checkout, server_runs_on};

#[test]
fn cluster_returns_the_exit_code_of_its_command() {
    let checkout = checkout();
    let output = checkout.run(&["cluster", "--", "sh", "-c", "echo $PADAN_TEST_DATABASE_URL; exit 7"]);
    assert_eq!(output.status.code(), Some(7), "{}", stderr(&output));
    assert!(stdout(&output).starts_with("postgres://cluster_owner:"));
    assert_eq!(fs::read_dir(checkout.path(".deps/clusters")).unwrap().count(), 0);
}

/// A shell script that prints the standbys, kills the first one and starts it again.
const STANDBYS: &str = r#"
    echo $PADAN_TEST_STANDBY_URLS
    echo $PADAN_TEST_STANDBY_FOLDERS
    first=${PADAN_TEST_STANDBY_FOLDERS%%,*}
    pid_file=$first/postmaster.pid
    killed=$(head -n 1 "$pid_file")
    kill -KILL "$killed"
    start() { cd "$first" && exec "$@"; }
    switch=
    [ "$(id -u)" = 0 ] && switch="setpriv --reuid=$(stat -c %u "$first") --regid=$(stat -c %g "$first") --clear-groups"
    # The pid file of the killed server says ready as well.
    is_back() { [ "$(head -n 1 "$pid_file")" != "$killed" ] && [ "$(sed -n 8p "$pid_file" | tr -d ' ')" = ready ]; }
    started=$killed
    until is_back; do
        # While the killed server's processes exist, a new server ends at once.
        kill -0 "$started" || { eval "start $switch $(cat "$first/postmaster.opts")" >/dev/null & started=$!; }
        sleep 0.1
    done 2>/dev/null
    [ -z "$1" ] || kill -KILL $PPID
"#;

#[test]
fn standbys_end_with_their_cluster_even_if_they_were_restarted() {
    let checkout = checkout();
    let output = checkout.run(&["cluster", "--standbys", "2", "--", "sh", "-c", STANDBYS]);
    assert!(output.status.success(), "{}", stderr(&output));
    let printed = stdout(&output);
    let [urls, folders] = printed.lines().collect::<Vec<_>>().try_into().unwrap();
    assert_eq!(urls.matches("postgres://cluster_owner:").count(), 2, "{urls}");
    let folders: Vec<_> = folders.split(',').map(Path::new).collect();
    assert_eq!(folders.len(), 2);
    assert!(folders.iter().all(|folder| !server_runs_on(folder) && !folder.exists()));
    assert_eq!(fs::read_dir(checkout.path(".deps/clusters")).unwrap().count(), 0);
}

#[test]
fn standbys_of_a_killed_cluster_are_removed_by_the_next_one() {
    let checkout = checkout();
    let output = checkout.run(&["cluster", "--standbys", "2", "--", "sh", "-c", STANDBYS, "sh", "kill"]);
    assert_eq!(output.status.code(), None, "{}", stderr(&output));
    let printed = stdout(&output);
    let folders: Vec<_> = printed.lines().nth(1).unwrap().split(',').map(Path::new).collect();
    let next = checkout.run(&["cluster", "--", "true"]);
    assert!(next.status.success(), "{}", stderr(&next));
    assert!(folders.iter().all(|folder| !server_runs_on(folder) && !folder.exists()));
    assert_eq!(fs::read_dir(checkout.path(".deps/clusters")).unwrap().count(), 0);
}
