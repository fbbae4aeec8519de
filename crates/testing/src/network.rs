use std::net::SocketAddr;

use tokio::net::TcpListener;

/// An address without a listener: connections are refused at once.
///
/// # Panics
///
/// When no port of the loopback interface is free.
pub async fn refused_address() -> SocketAddr {
    listener().await.1
}

/// An address that accepts connections and never answers, as behind a firewall that drops packets. It exists as long
/// as the runtime.
///
/// # Panics
///
/// When no port of the loopback interface is free.
pub async fn silent_address() -> SocketAddr {
    let (listener, address) = listener().await;
    tokio::spawn(async move {
        let mut accepted = Vec::new();
        while let Ok((connection, _)) = listener.accept().await {
            accepted.push(connection);
        }
    });
    address
}

pub(crate) async fn listener() -> (TcpListener, SocketAddr) {
    let bound = async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        std::io::Result::Ok((listener, address))
    };
    bound.await.unwrap_or_else(|error| panic!("no port on the loopback interface: {error}"))
}
