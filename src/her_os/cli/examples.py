"""What a newcomer can type. Lines of at most 80 characters, shown below the help of a command."""

from __future__ import annotations

FIRST_STEPS = (
    "First steps (./start.sh does the first two, and installs what is missing):",
    "  config/dev-setup.sh        write the secrets, once",
    "  her-os run                 start the assistant, and leave it running",
    "  her-os call --microphone   in another terminal: talk to it",
    "  her-os phone add kitchen   let a phone in the house call it",
    "",
    "Settings are in config/her-os.yaml, each explained there; after a change:",
    "her-os config check. `her-os COMMAND --help` explains a command.",
)

RUN_EXAMPLES = (
    "Examples:",
    "  her-os run                        with config/her-os.yaml",
    "  ENABLE_BARGE_IN=1 her-os run      it can be interrupted by voice",
    "  HER_OS_LOG_LEVEL=DEBUG her-os run --config my.yaml",
    "",
    "What it says when all are ready names the address to call. Then, in another",
    "terminal: her-os status, her-os call --microphone",
)

CALL_EXAMPLES = (
    "Examples:",
    "  her-os call question.wav",
    "      ask, and see when the answer came",
    "  her-os call question.wav --say-after-answer-audio 500=stop.wav --record out.wav",
    "      interrupt the answer half a second after it began, and keep both sides",
    "  her-os call --microphone",
    "      talk to it yourself",
    "  her-os call --to sip:her@192.0.2.20 --user kitchen --password-file password.txt",
    "      from another machine, with an account of `her-os phone add kitchen`",
    "",
    "Exit status: 0 the call took place, 1 it was refused or nobody answered,",
    "78 an option is wrong.",
)

PHONE_EXAMPLES = (
    "Examples:",
    "  her-os phone add kitchen       shows its password once, and the server to enter",
    "  her-os phone list              who may call",
    "  her-os phone remove kitchen",
    "",
    "A phone on this machine needs no account.",
)

CONFIG_EXAMPLES = (
    "Examples:",
    "  her-os config check                    every mistake with its line",
    "  her-os config check --config my.yaml   before it is put in place",
    "  her-os config show                     what is in force, defaults included",
    "",
    "The file: --config FILE, else HER_OS_CONFIG, else config/her-os.yaml in this",
    "folder, else the one that ships with her-os. Flags such as ENABLE_BARGE_IN come",
    "from the environment, tokens from ~/.her-os/secrets.env. A change needs a restart.",
)
