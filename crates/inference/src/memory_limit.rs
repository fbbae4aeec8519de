//! How much memory this process may take.

use std::{fs, path::Path};

/// The least of the machine's memory and the limits of the process's control groups, in bytes; `None` when neither can
/// be read.
pub fn memory_limit() -> Option<u64> {
    let read = |file: &str| fs::read_to_string(file).ok();
    let machine = read("/proc/meminfo").as_deref().and_then(total_memory);
    let group = read("/proc/self/cgroup").as_deref().and_then(|groups| group_limit(groups, read));
    machine.into_iter().chain(group).min()
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
