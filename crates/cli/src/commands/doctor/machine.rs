//! What this machine gives the service, and who else on it sees what.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use rustix::process::{Resource, getrlimit};

use super::report::Sound;
use crate::settings::Settings;

/// Files besides the connections of clients and of databases: libraries, the log, listeners.
const FURTHER_FILES: u64 = 64;
/// The program with its models and two workers.
const PROGRAM_BYTES: u64 = 250 << 20;
/// A decoded photo in memory, as a JPEG.
const BYTES_PER_PIXEL: f64 = 3.0;

/// Whether others on this machine can read or change a file with a secret in it. A file that is missing is told of by what
/// needs it.
pub(super) fn secrets(settings: &Settings) -> Sound {
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
        format!("everybody on this machine can open {} ({key}): chmod o= {0}", file.display())
    });
    Sound::from(format!("{} files hold them", named.len())).but(open.collect::<Vec<_>>())
}

fn is_open_to_others(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|file| file.permissions().mode() & 0o007 != 0)
}

/// Whether all connections that are let in find a file descriptor.
pub(super) fn open_files(settings: &Settings) -> Sound {
    files_under(settings, getrlimit(Resource::Nofile).current)
}

fn files_under(settings: &Settings, limit: Option<u64>) -> Sound {
    let http = &settings.http;
    let clients = (http.workers.get() as u64).saturating_mul(http.connections_per_worker.get() as u64);
    let needed = clients.saturating_add(FURTHER_FILES);
    let Some(limit) = limit else {
        return "no limit".into();
    };
    let short = (limit < needed).then(|| {
        format!(
            "http.workers x http.connections_per_worker and the rest can need {needed}: raise the limit where the service is \
             started (LimitNOFILE, ulimit -n), or lower those keys"
        )
    });
    Sound::from(format!("{limit} may be open here")).but(short)
}

/// Whether what may be held at a time fits into the memory that there is.
pub(super) fn memory(settings: &Settings) -> Result<Sound, String> {
    let read = |file: &str| fs::read_to_string(file).ok();
    let machine = read("/proc/meminfo").as_deref().and_then(total_memory);
    let group = read("/proc/self/cgroup").as_deref().and_then(|groups| group_limit(groups, read));
    let limit = machine.into_iter().chain(group).min();
    limit.map(|limit| memory_under(settings, limit)).ok_or_else(|| "/proc/meminfo cannot be read".to_owned())
}

fn memory_under(settings: &Settings, limit: u64) -> Sound {
    let bodies = settings.http.body_memory_bytes.get() as u64;
    let pixels = (settings.inference.limits.max_megapixels_at_once * 1e6 * BYTES_PER_PIXEL) as u64;
    let needed = PROGRAM_BYTES.saturating_add(bodies).saturating_add(pixels);
    let short = (limit < needed).then(|| {
        format!(
            "bodies and decoded photos can take {} MiB: lower http.body_memory_bytes or \
             inference.limits.max_megapixels_at_once, or give it more",
            needed >> 20
        )
    });
    Sound::from(format!("{} MiB are there", limit >> 20)).but(short)
}

/// The bytes of `MemTotal`.
fn total_memory(meminfo: &str) -> Option<u64> {
    let kilobytes = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    Some(kilobytes.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? << 10)
}

/// The smallest limit of the control groups that the process is in, of either version.
fn group_limit(groups: &str, read: impl Fn(&str) -> Option<String>) -> Option<u64> {
    let of_group = |line: &str| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        let (root, name) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            "memory" => ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            _ => return None,
        };
        // A container may see its own group as the root, whatever path it is told.
        let folders = Path::new(path).ancestors().map(|folder| folder.to_string_lossy().into_owned());
        let limits =
            folders.filter_map(|folder| read(&format!("{root}{}/{name}", folder.trim_end_matches('/'))));
        limits.filter_map(|limit| limit.trim().parse().ok()).min()
    };
    groups.lines().filter_map(of_group).min()
}

/// Whether the listener that asks for no credentials is the operators' own.
pub(super) fn operators_listener(settings: &Settings) -> Sound {
    let http = &settings.http;
    let listener = format!("{}:{}", http.admin_address, http.admin_port);
    let open = (!http.admin_address.is_loopback()).then(|| {
        "it asks for no credentials: let only Prometheus and the balancer reach it (http.admin_address)"
            .to_owned()
    });
    Sound::from(format!("operators ask at {listener}")).but(open)
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

    fn told(sound: &Sound) -> String {
        sound.but.join("; ")
    }

    #[test]
    fn a_secret_that_others_can_read_is_told() {
        let (folder, settings) = settings(
            "[registry]\nurls_file = 'urls'\n[store]\nurl_file = 'url'\naudit_keys_file = 'nowhere'\n",
        );
        for (name, mode) in [("urls", 0o644), ("url", 0o640)] {
            let file = folder.path().join(name);
            fs::write(&file, "postgres://r@h/d").unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        }
        let sound = secrets(&settings);
        assert_eq!((&*sound.said, sound.but.len()), ("3 files hold them", 1));
        assert!(told(&sound).contains("(registry.urls_file): chmod o= "), "{}", told(&sound));
    }

    #[test]
    fn too_few_files_for_the_connections_are_told() {
        let (_folder, settings) = settings("[http]\nworkers = 2\nconnections_per_worker = 4096\n");
        assert!(told(&files_under(&settings, Some(8255))).contains("can need 8256"));
        assert_eq!(told(&files_under(&settings, Some(8256))), "");
        assert_eq!(told(&files_under(&settings, None)), "");
    }

    #[test]
    fn too_little_memory_for_bodies_and_photos_is_told() {
        let (_folder, settings) = settings(
            "[http]\nbody_memory_bytes = 268435456\n[inference.limits]\nmax_megapixels_at_once = 320.0\n",
        );
        // 250 MiB, 256 MiB and 960 MB.
        assert!(told(&memory_under(&settings, 1421 << 20)).contains("can take 1421 MiB"));
        assert_eq!(told(&memory_under(&settings, 1422 << 20)), "");
        assert!(memory(&settings).is_ok(), "this machine has memory");
    }

    #[test]
    fn the_memory_of_a_machine_and_of_a_group_is_read() {
        assert_eq!(total_memory("MemTotal:       16000 kB\nMemFree: 1 kB\n"), Some(16_384_000));
        let second = |file: &str| match file {
            "/sys/fs/cgroup/system.slice/padan.service/memory.max" => Some("max\n".to_owned()),
            "/sys/fs/cgroup/system.slice/memory.max" => Some("4294967296\n".to_owned()),
            _ => None,
        };
        assert_eq!(group_limit("0::/system.slice/padan.service\n", second), Some(4 << 30));
        let first = |file: &str| {
            (file == "/sys/fs/cgroup/memory/memory.limit_in_bytes").then(|| "1073741824\n".to_owned())
        };
        assert_eq!(group_limit("12:cpu:/docker/ab\n11:memory:/docker/ab\n", first), Some(1 << 30));
        assert_eq!(group_limit("0::/\n", |_| None), None);
    }

    #[test]
    fn a_listener_for_operators_on_a_network_is_told() {
        let (_folder, loopback) = settings("");
        assert_eq!(told(&operators_listener(&loopback)), "");
        let (_folder, open) = settings("[http]\nadmin_address = '0.0.0.0'\n");
        assert!(told(&operators_listener(&open)).contains("no credentials"));
    }
}
