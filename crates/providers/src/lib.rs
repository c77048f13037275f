//! Talks to inference servers: HTTP with kernel receive stamps, SSE, the OpenAI dialect.
