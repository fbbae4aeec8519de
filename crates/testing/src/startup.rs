use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The first packet of a client: the version of the protocol, then parameters.
#[derive(Debug)]
pub(crate) struct StartUp {
    version: u32,
    parameters: Vec<(Vec<u8>, Vec<u8>)>,
}

impl StartUp {
    pub(crate) async fn read(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Self> {
        let length = from.read_u32().await?;
        let version = from.read_u32().await?;
        let mut content = vec![0; (length as usize).saturating_sub(8)];
        from.read_exact(&mut content).await?;
        let mut texts = content.split(|byte| *byte == 0).map(<[u8]>::to_vec);
        let mut parameters = Vec::new();
        while let (Some(name), Some(value)) = (texts.next(), texts.next()) {
            if !name.is_empty() {
                parameters.push((name, value));
            }
        }
        Ok(Self { version, parameters })
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.parameters.iter().any(|(parameter, _)| parameter == name.as_bytes())
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.parameters.retain(|(parameter, _)| parameter != name.as_bytes());
    }

    /// Replaces a text in all values.
    pub(crate) fn replace(&mut self, sent: &str, passed_on: &str) {
        for (_, value) in &mut self.parameters {
            *value = String::from_utf8_lossy(value).replace(sent, passed_on).into_bytes();
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut content = self.version.to_be_bytes().to_vec();
        for (name, value) in &self.parameters {
            content.extend_from_slice(name);
            content.push(0);
            content.extend_from_slice(value);
            content.push(0);
        }
        content.push(0);
        let length = u32::try_from(4 + content.len()).unwrap_or_default();
        [length.to_be_bytes().as_slice(), &content].concat()
    }
}
