"""Where the emulator's answers differ from AWS's: one file a service, one factory a fix, each with its symptom."""
