"""How the files of a prompt are chosen: sources rank them, and the budget cuts them to what matters."""
