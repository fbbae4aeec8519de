use std::fs;

use padan_store::Operator;

/// The user id that the kernel reports for a process that no user started by logging in.
const NO_LOGIN: u32 = u32::MAX;

/// Who runs this process, as the operating system says. Environment variables are not asked, since everybody can set
/// them.
pub(crate) fn operator() -> Operator {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let login = fs::read_to_string("/proc/self/loginuid").ok();
    let login = login.and_then(|id| id.trim().parse().ok()).filter(|id| *id != NO_LOGIN);
    // The units of deploy/systemd hide the first one.
    let host = ["/proc/sys/kernel/hostname", "/etc/hostname"];
    let host = host.iter().find_map(|file| fs::read_to_string(file).ok()).unwrap_or_default();
    Operator {
        os_user: user_name(rustix::process::getuid().as_raw(), &users),
        login_user: login.map(|id| user_name(id, &users)),
        host: host.trim().to_owned(),
        request: None,
    }
}

/// The name of a user by the content of `/etc/passwd`, or else the number.
fn user_name(id: u32, users: &str) -> String {
    let found = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(id)).then(|| name.to_owned())
    });
    found.unwrap_or_else(|| format!("uid {id}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_named_by_the_list_of_users() {
        let users = "root:x:0:0:root:/root:/bin/bash\nbroken\nops:x:1001:100::/home/ops:/bin/sh\n";
        assert_eq!(user_name(0, users), "root");
        assert_eq!(user_name(1001, users), "ops");
        assert_eq!(user_name(100, users), "uid 100");
    }
}
