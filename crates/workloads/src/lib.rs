//! What to send: synthetic prompts with exact token counts.
