"""Pure audio: G.711, G.722, resampling, voice activity, jitter, concealment, recording."""
