# SPDX-License-Identifier: Apache-2.0
# Makes an administrator whose only way in is a client certificate, and maps that certificate to it in WinRM.
param (
    [Parameter(Mandatory)] [string] $UserName,
    # DER in base64: the lines of a PEM file, joined, without its first and its last.
    [Parameter(Mandatory)] [string] $Certificate
)

$x509 = [Security.Cryptography.X509Certificates.X509Certificate2]::new([Convert]::FromBase64String($Certificate))
$subject = $x509.GetNameInfo('UpnName', $false)
if ($subject -ne "$UserName@localhost") {
    throw "the certificate is for '$subject', not for '$UserName@localhost'"
}

# WinRM wants the issuer among the roots, and a self-signed certificate is its own issuer, and the peer itself trusted.
foreach ($name in 'Root', 'TrustedPeople') {
    $store = [Security.Cryptography.X509Certificates.X509Store]::new($name, 'LocalMachine')
    $store.Open('ReadWrite')
    $store.Add($x509)
    $store.Close()
}

# The mapping needs the account's password once. It is made here and stays here; the letters at the end satisfy any policy.
$random = [byte[]]::new(32)
$generator = [Security.Cryptography.RandomNumberGenerator]::Create()
$generator.GetBytes($random)
$generator.Dispose()
$password = ConvertTo-SecureString -String ([Convert]::ToBase64String($random) + 'aA1!') -AsPlainText -Force
$null = New-LocalUser -Name $UserName -Password $password -AccountNeverExpires -PasswordNeverExpires
Add-LocalGroupMember -SID S-1-5-32-544 -Member $UserName

$credential = [pscredential]::new($UserName, $password)
$null = New-Item -Path WSMan:\localhost\ClientCertificate -Subject $subject -URI * -Issuer $x509.Thumbprint `
    -Credential $credential -Force

$Ansible.Result = @{ user = $UserName; subject = $subject; thumbprint = $x509.Thumbprint }
