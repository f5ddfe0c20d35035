"""From text to sound: plan, mel, wave."""
