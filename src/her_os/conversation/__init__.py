"""What is said when: turns, interruptions, history, tools. No socket, no model, no clock of its own."""
