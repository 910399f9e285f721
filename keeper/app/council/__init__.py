"""The council's side: what is proposed to a Safe, made plain, checked, followed until it is done or pointless."""
