"""The site's work on a board at a cable: enrol it, deploy to it, renew its seals."""
