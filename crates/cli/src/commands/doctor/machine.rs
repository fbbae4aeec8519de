//! Checks of this machine: its limits, and what other users of it can access.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use rustix::process::{Resource, getrlimit};

use super::report::CheckPassed;
use crate::settings::Settings;

/// Files other than clients' connections: database connections, libraries, the log, listeners.
const OTHER_FILES: u64 = 64;
/// The memory of the program with its models and two workers.
const PROGRAM_BYTES: u64 = 250 << 20;
/// The memory of a decoded photo without alpha channel.
const BYTES_PER_PIXEL: f64 = 3.0;

/// Warns of files with secrets that all users of this machine can access. A missing file is reported by the check that
/// reads it.
pub(super) fn secrets(settings: &Settings) -> CheckPassed {
    let (registry, store) = (&settings.registry, &settings.store);
    let files = [
        ("registry.urls_file", &registry.urls_file),
        ("store.url_file", &store.url_file),
        ("store.person_key_file", &store.person_key_file),
        ("store.template_keys_file", &store.template_keys_file),
        ("store.audit_keys_file", &store.audit_keys_file),
        ("http.tls.private_key_file", &settings.http.tls.private_key_file),
    ];
    let named: Vec<_> = files.into_iter().filter_map(|(key, file)| Some((key, file.as_deref()?))).collect();
    let open = named.iter().filter(|(_, file)| is_open_to_others(file)).map(|(key, file)| {
        format!("all users of this machine can access {} ({key}): run `chmod o= {0}`", file.display())
    });
    CheckPassed::from(format!("{} files with secrets", named.len())).with_warnings(open.collect::<Vec<_>>())
}

fn is_open_to_others(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|file| file.permissions().mode() & 0o007 != 0)
}

/// Warns when the limit of open files is too low for all accepted connections.
pub(super) fn open_files(settings: &Settings) -> CheckPassed {
    open_files_for_limit(settings, getrlimit(Resource::Nofile).current)
}

fn open_files_for_limit(settings: &Settings, limit: Option<u64>) -> CheckPassed {
    let http = &settings.http;
    let clients = (http.workers.get() as u64).saturating_mul(http.connections_per_worker.get() as u64);
    let needed = clients.saturating_add(OTHER_FILES);
    let Some(limit) = limit else {
        return "no limit of open files".into();
    };
    let short = (limit < needed).then(|| {
        format!(
            "http.workers x http.connections_per_worker can need {needed}: raise the limit where the service is started \
             (LimitNOFILE, ulimit -n), or lower these settings"
        )
    });
    CheckPassed::from(format!("{limit} open files allowed")).with_warnings(short)
}

/// Warns when request bodies and photos at their configured limits do not fit into memory.
pub(super) fn memory(settings: &Settings) -> Result<CheckPassed, String> {
    let read = |file: &str| fs::read_to_string(file).ok();
    let machine = read("/proc/meminfo").as_deref().and_then(total_memory);
    let group = read("/proc/self/cgroup").as_deref().and_then(|groups| group_limit(groups, read));
    let limit = machine.into_iter().chain(group).min();
    limit.map(|limit| memory_for_limit(settings, limit)).ok_or_else(|| "cannot read /proc/meminfo".to_owned())
}

fn memory_for_limit(settings: &Settings, limit: u64) -> CheckPassed {
    let bodies = settings.http.body_memory_bytes.get() as u64;
    let pixels = (settings.inference.limits.max_megapixels_at_once * 1e6 * BYTES_PER_PIXEL) as u64;
    let needed = PROGRAM_BYTES.saturating_add(bodies).saturating_add(pixels);
    let short = (limit < needed).then(|| {
        format!(
            "request bodies and decoded photos can need {} MiB: lower http.body_memory_bytes or \
             inference.limits.max_megapixels_at_once, or give the service more memory",
            needed >> 20
        )
    });
    CheckPassed::from(format!("{} MiB available", limit >> 20)).with_warnings(short)
}

/// Parses `MemTotal` and returns it in bytes.
fn total_memory(meminfo: &str) -> Option<u64> {
    let kilobytes = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    Some(kilobytes.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? << 10)
}

/// The smallest memory limit of the process's control groups, of version 1 or 2.
fn group_limit(groups: &str, read: impl Fn(&str) -> Option<String>) -> Option<u64> {
    let of_group = |line: &str| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        let (root, name) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            "memory" => ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            _ => return None,
        };
        // In a container the group may be mounted as the root, whatever its path is.
        let folders = Path::new(path).ancestors().map(|folder| folder.to_string_lossy().into_owned());
        let limits =
            folders.filter_map(|folder| read(&format!("{root}{}/{name}", folder.trim_end_matches('/'))));
        limits.filter_map(|limit| limit.trim().parse().ok()).min()
    };
    groups.lines().filter_map(of_group).min()
}

/// Warns when the operators' listener, which needs no credentials, can be reached from the network.
pub(super) fn operators_listener(settings: &Settings) -> CheckPassed {
    let http = &settings.http;
    let listener = format!("{}:{}", http.admin_address, http.admin_port);
    let open = (!http.admin_address.is_loopback()).then(|| {
        "it needs no credentials: let only Prometheus and the load balancer reach it (http.admin_address)"
            .to_owned()
    });
    CheckPassed::from(format!("metrics and health on {listener}")).with_warnings(open)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::SettingsArguments;

    fn settings(text: &str) -> (tempfile::TempDir, Settings) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("site.toml");
        fs::write(&file, text).unwrap();
        let settings = SettingsArguments::of_file_alone(&file).unwrap();
        (folder, settings)
    }

    fn warnings(outcome: &CheckPassed) -> String {
        outcome.warnings.join("; ")
    }

    #[test]
    fn a_secret_that_others_can_read_gives_a_warning() {
        let (folder, settings) = settings(
            "[registry]\nurls_file = 'urls'\n[store]\nurl_file = 'url'\naudit_keys_file = 'nowhere'\n",
        );
        for (name, mode) in [("urls", 0o644), ("url", 0o640)] {
            let file = folder.path().join(name);
            fs::write(&file, "postgres://r@h/d").unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        }
        let outcome = secrets(&settings);
        assert_eq!((&*outcome.message, outcome.warnings.len()), ("3 files with secrets", 1));
        assert!(
            warnings(&outcome).contains("(registry.urls_file): run `chmod o= "),
            "{}",
            warnings(&outcome)
        );
    }

    #[test]
    fn a_limit_of_open_files_below_the_connections_gives_a_warning() {
        let (_folder, settings) = settings("[http]\nworkers = 2\nconnections_per_worker = 4096\n");
        assert!(warnings(&open_files_for_limit(&settings, Some(8255))).contains("can need 8256"));
        assert_eq!(warnings(&open_files_for_limit(&settings, Some(8256))), "");
        assert_eq!(warnings(&open_files_for_limit(&settings, None)), "");
    }

    #[test]
    fn too_little_memory_for_bodies_and_photos_gives_a_warning() {
        let (_folder, settings) = settings(
            "[http]\nbody_memory_bytes = 268435456\n[inference.limits]\nmax_megapixels_at_once = 320.0\n",
        );
        // 250 MiB, 256 MiB and 960 MB.
        assert!(warnings(&memory_for_limit(&settings, 1421 << 20)).contains("can need 1421 MiB"));
        assert_eq!(warnings(&memory_for_limit(&settings, 1422 << 20)), "");
        assert!(memory(&settings).is_ok());
    }

    #[test]
    fn the_memory_of_a_machine_and_of_a_control_group_is_read() {
        assert_eq!(total_memory("MemTotal:       16000 kB\nMemFree: 1 kB\n"), Some(16_384_000));
        let version_2 = |file: &str| match file {
            "/sys/fs/cgroup/system.slice/padan.service/memory.max" => Some("max\n".to_owned()),
            "/sys/fs/cgroup/system.slice/memory.max" => Some("4294967296\n".to_owned()),
            _ => None,
        };
        assert_eq!(group_limit("0::/system.slice/padan.service\n", version_2), Some(4 << 30));
        let version_1 = |file: &str| {
            (file == "/sys/fs/cgroup/memory/memory.limit_in_bytes").then(|| "1073741824\n".to_owned())
        };
        assert_eq!(group_limit("12:cpu:/docker/ab\n11:memory:/docker/ab\n", version_1), Some(1 << 30));
        assert_eq!(group_limit("0::/\n", |_| None), None);
    }

    #[test]
    fn an_operators_listener_on_a_network_gives_a_warning() {
        let (_folder, loopback) = settings("");
        assert_eq!(warnings(&operators_listener(&loopback)), "");
        let (_folder, open) = settings("[http]\nadmin_address = '0.0.0.0'\n");
        assert!(warnings(&operators_listener(&open)).contains("no credentials"));
    }
}
