use std::{
    str::FromStr as _,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use sqlx::{ConnectOptions as _, postgres::PgConnectOptions};
use tokio::{io::copy_bidirectional, net::TcpStream};

use crate::network;

/// One address that leads to several servers, each new connection to the next one.
#[derive(Debug)]
pub struct Balancer {
    url: String,
}

impl Balancer {
    /// A balancer in front of the servers of these URLs. Its own URL has database and credentials of the first.
    ///
    /// # Panics
    ///
    /// When a URL cannot be parsed, or no port of the loopback interface is free.
    pub async fn in_front_of(urls: &[&str]) -> Self {
        let servers: Vec<_> = urls.iter().map(|url| options(url)).collect();
        let (listener, address) = network::listener().await;
        let first = servers.first().unwrap_or_else(|| panic!("a balancer needs a server"));
        let url = first.clone().host("127.0.0.1").port(address.port()).to_url_lossy().into();
        tokio::spawn(async move {
            let turn = AtomicUsize::new(0);
            while let Ok((mut client, _)) = listener.accept().await {
                let server = &servers[turn.fetch_add(1, Relaxed) % servers.len()];
                let address = (server.get_host().to_owned(), server.get_port());
                tokio::spawn(async move {
                    if let Ok(mut server) = TcpStream::connect(address).await {
                        let _ = copy_bidirectional(&mut client, &mut server).await;
                    }
                });
            }
        });
        Self { url }
    }

    /// The URL that leads to one of the servers.
    pub fn url(&self) -> &str {
        &self.url
    }
}

fn options(url: &str) -> PgConnectOptions {
    PgConnectOptions::from_str(url).unwrap_or_else(|error| panic!("{error}"))
}
