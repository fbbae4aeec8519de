//! Checks of this machine: its limits, and what other users of it can access.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use padan_http_api::OPERATORS_CONNECTIONS;
use padan_inference::{DeviceChoice, memory_limit};
use rustix::process::{Resource, getrlimit};

use super::report::CheckPassed;
use crate::settings::Settings;

/// Files other than connections to the listeners: database connections, libraries, the log, listeners.
const OTHER_FILES: u64 = 64;
/// The memory of the program with its models on the plain CPU kernels, without workers.
const CPU_BYTES: u64 = 150 << 20;
/// The memory of a worker there.
const CPU_WORKER_BYTES: u64 = 50 << 20;
/// The same with OpenVINO, which `auto` may select.
const OPENVINO_BYTES: u64 = 270 << 20;
const OPENVINO_WORKER_BYTES: u64 = 110 << 20;
/// The memory of a worker that shares its embedder, and of a face in a run of a shared embedder.
const SHARING_WORKER_BYTES: u64 = 24 << 20;
const FACE_OF_RUN_BYTES: u64 = 12 << 20;

/// Warns of files with secrets that all users of this machine can access. A missing file is reported by the check that
/// reads it.
pub(super) fn secrets(settings: &Settings) -> Result<CheckPassed, String> {
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
    let unreadable: Vec<_> = named
        .iter()
        .filter_map(|(key, file)| {
            let error = fs::File::open(file).err()?;
            Some(format!("{key}, {}: {error}", file.display()))
        })
        .collect();
    if !unreadable.is_empty() {
        return Err(unreadable.join("; "));
    }
    let open = named.iter().filter(|(_, file)| is_open_to_others(file)).map(|(key, file)| {
        format!("all users of this machine can access {} ({key}): run `chmod o= {0}`", file.display())
    });
    let passed = CheckPassed::from(format!("{} files with secrets", named.len()));
    Ok(passed.with_warnings(open.collect::<Vec<_>>()))
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
    let needed = clients.saturating_add(OPERATORS_CONNECTIONS as u64).saturating_add(OTHER_FILES);
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

/// Warns when the program, request bodies and photos do not fit into memory at the settings in force.
pub(super) fn memory(settings: &Settings) -> Result<CheckPassed, String> {
    memory_limit()
        .map(|limit| memory_for_limit(settings, limit))
        .ok_or_else(|| "cannot read /proc/meminfo".to_owned())
}

fn memory_for_limit(settings: &Settings, limit: u64) -> CheckPassed {
    let inference = &settings.inference;
    let workers = inference.worker_count() as u64;
    let (program, with_embedder) = match inference.device {
        DeviceChoice::Cpu => (CPU_BYTES, CPU_WORKER_BYTES),
        DeviceChoice::Auto | DeviceChoice::OpenVino | DeviceChoice::Cuda | DeviceChoice::TensorRt => {
            (OPENVINO_BYTES, OPENVINO_WORKER_BYTES)
        }
    };
    let program = program
        + match inference.max_faces_of_a_run().get() as u64 {
            1 => (workers + u64::from(inference.embeds_in_parallel())) * with_embedder,
            faces => {
                let embedders = inference.embedder_count() as u64;
                embedders * (with_embedder + faces * FACE_OF_RUN_BYTES) + workers * SHARING_WORKER_BYTES
            }
        };
    let bodies = settings.http.body_memory_bytes.get() as u64;
    let limits = inference.limits.in_force(Some(limit));
    // Each worker decodes one photo at a time.
    let photos = limits.bytes_at_once().min(limits.max_bytes().saturating_mul(workers));
    let needed = program.saturating_add(bodies).saturating_add(photos);
    let [needed_mib, program_mib, bodies_mib, photos_mib] =
        [needed, program, bodies, photos].map(|bytes| bytes >> 20);
    let short = (limit < needed).then(|| {
        format!(
            "the service can need {needed_mib} MiB: {program_mib} for models and workers, {bodies_mib} for request \
             bodies, {photos_mib} for decoded photos. Lower http.body_memory_bytes, inference.workers, \
             inference.limits.max_photo_bytes or inference.limits.max_megapixels_at_once, or give the service more \
             memory"
        )
    });
    CheckPassed::from(format!("{} MiB available, at most {needed_mib} MiB needed", limit >> 20))
        .with_warnings(short)
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
        let (folder, settings) =
            settings("[registry]\nurls_file = 'urls'\n[store]\nurl_file = 'url'\naudit_keys_file = 'keys'\n");
        let missing = secrets(&settings).err().unwrap();
        assert!(
            missing.contains("store.audit_keys_file, ") && missing.contains("keys: No such file"),
            "{missing}"
        );
        for (name, mode) in [("urls", 0o644), ("url", 0o640), ("keys", 0o600)] {
            let file = folder.path().join(name);
            fs::write(&file, "postgres://r@h/d").unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        }
        let outcome = secrets(&settings).unwrap();
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
        assert!(warnings(&open_files_for_limit(&settings, Some(8767))).contains("can need 8768"));
        assert_eq!(warnings(&open_files_for_limit(&settings, Some(8768))), "");
        assert_eq!(warnings(&open_files_for_limit(&settings, None)), "");
    }

    #[test]
    fn too_little_memory_for_bodies_and_photos_gives_a_warning() {
        let (_folder, settings) = settings(
            "[http]\nbody_memory_bytes = 268435456\n[inference]\ndevice = 'cpu'\nworkers = 4\nthreads = 1\n\
             [inference.limits]\nmax_photo_bytes = 268435456\nmax_megapixels_at_once = 320.0\n",
        );
        // 350 MiB, 256 MiB, and 960 MB, which are less than four photos.
        assert!(warnings(&memory_for_limit(&settings, 1521 << 20)).contains("can need 1521 MiB"));
        assert_eq!(warnings(&memory_for_limit(&settings, 1522 << 20)), "");
        assert!(memory(&settings).is_ok());
    }

    #[test]
    fn an_embedder_for_idle_processors_needs_memory_as_well() {
        let needed = |threads: &str| {
            let (_folder, settings) = settings(&format!(
                "[http]\nbody_memory_bytes = 268435456\n[inference]\ndevice = 'cpu'\nworkers = 1\n{threads}\
                 [inference.limits]\nmax_photo_bytes = 104857600\nmax_megapixels_at_once = 1048.576\n",
            ));
            (settings.inference.embeds_in_parallel(), memory_for_limit(&settings, 4 << 30).message)
        };
        // 150 and 50 MiB, then 256, and a photo of 100 MiB.
        assert_eq!(needed("threads = 1\n"), (false, "4096 MiB available, at most 556 MiB needed".to_owned()));
        let (has_two_processors, message) = needed("");
        let mib = if has_two_processors { 606 } else { 556 };
        assert_eq!(message, format!("4096 MiB available, at most {mib} MiB needed"));
    }

    #[test]
    fn shared_embedders_need_memory_for_each_face_of_a_run() {
        let (_folder, settings) = settings(
            "[http]\nbody_memory_bytes = 268435456\n[inference]\ndevice = 'cpu'\nworkers = 1\nembedding_batch = 8\n\
             [inference.limits]\nmax_photo_bytes = 104857600\nmax_megapixels_at_once = 1048.576\n",
        );
        // 150, 50, eight times 12 and 24 MiB, then 256, and a photo of 100 MiB. A worker shares one embedder on any machine.
        assert_eq!(
            memory_for_limit(&settings, 4 << 30).message,
            "4096 MiB available, at most 676 MiB needed"
        );
    }

    #[test]
    fn the_default_for_photos_follows_the_memory() {
        let (_folder, settings) = settings("[inference]\nworkers = 8\n");
        for gigabytes in [3, 4, 16] {
            assert_eq!(warnings(&memory_for_limit(&settings, gigabytes << 30)), "", "{gigabytes} GiB");
        }
    }

    #[test]
    fn an_operators_listener_on_a_network_gives_a_warning() {
        let (_folder, loopback) = settings("");
        assert_eq!(warnings(&operators_listener(&loopback)), "");
        let (_folder, open) = settings("[http]\nadmin_address = '0.0.0.0'\n");
        assert!(warnings(&operators_listener(&open)).contains("no credentials"));
    }
}
