// The theme shows its pages late, and a browser may look for what has the autofocus before that.
window.addEventListener("load", () => {
  const field = document.querySelector("[autofocus]");
  if (field && document.activeElement === document.body) field.focus();
});
