"""One adapter a file: speech-to-text, text-to-speech, wake word."""
