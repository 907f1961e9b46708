//! A client of the HTTP API, no more than the demo needs.

use std::{net::SocketAddr, path::Path, time::Duration};

use reqwest::{Response, multipart};
use serde_json::Value;

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(120);

/// A client with a key.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    key: String,
}

impl Client {
    pub(crate) fn new(address: SocketAddr, key: &str) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().timeout(TIMEOUT).build()?;
        Ok(Self {
            http,
            base: format!("http://{address}"),
            key: key.to_owned(),
        })
    }

    /// Posts a recording; returns the conversation's id.
    pub(crate) async fn post(
        &self,
        audio: &Path,
        media_type: &str,
        metadata: &Value,
    ) -> anyhow::Result<String> {
        let content = tokio::fs::read(audio).await?;
        let file = multipart::Part::bytes(content)
            .file_name("call")
            .mime_str(media_type)?;
        let metadata = multipart::Part::text(metadata.to_string()).mime_str("application/json")?;
        let form = multipart::Form::new()
            .part("metadata", metadata)
            .part("audio", file);
        let request = self
            .http
            .post(format!("{}/v1/conversations", self.base))
            .multipart(form);
        let accepted: Value = self.send(request).await?.json().await?;
        let id = accepted["id"].as_str().map(str::to_owned);
        id.ok_or_else(|| anyhow::anyhow!("the answer has no id"))
    }

    pub(crate) async fn status(&self, id: &str) -> anyhow::Result<Value> {
        let request = self
            .http
            .get(format!("{}/v1/conversations/{id}", self.base));
        Ok(self.send(request).await?.json().await?)
    }

    pub(crate) async fn search(&self, query: &str) -> anyhow::Result<Value> {
        let url = format!("{}/v1/search", self.base);
        let request = self.http.get(url).query(&[("q", query), ("limit", "3")]);
        Ok(self.send(request).await?.json().await?)
    }

    pub(crate) async fn audio(&self, id: &str) -> anyhow::Result<Vec<u8>> {
        let request = self.http.get(self.audio_url(id));
        Ok(self.send(request).await?.bytes().await?.into())
    }

    pub(crate) fn audio_url(&self, id: &str) -> String {
        format!("{}/v1/conversations/{id}/audio", self.base)
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> anyhow::Result<Response> {
        let response = request.bearer_auth(&self.key).send().await?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        anyhow::bail!("the gateway answered {status}: {}", response.text().await?)
    }
}
