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

PREFLIGHT_EXAMPLES = (
    "Examples:",
    "  her-os preflight                 stops at the first gate that is not passed",
    "  her-os preflight --all --json    every gate, for programs",
    "  her-os preflight --quick         without what measures",
    "  her-os preflight --only 0.8      measure the cancel floor again",
    "",
    "Exit status: 0 all passed, 40 + n: gate 0.n was not (43: model files), 78 the",
    "configuration cannot be read.",
)

MODELS_EXAMPLES = (
    "Examples:",
    "  her-os models list                        what there is, what is here",
    "  her-os models pull qwen2.5-1.5b-instruct  then name it as llm.model",
    "  her-os models verify                      read all that is here and compare",
    "  her-os models import /media/stick         from a stick, without a network",
    "",
    "A download that broke off goes on where it was. docs/MODELS.md tells of entries",
    "of your own. Exit status: 1 it could not be had or is damaged, 78 there is no",
    "such model, or nobody could be asked about its licence.",
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
